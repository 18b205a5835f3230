//! The pickles in PyTorch's checkpoints, read as plain values.
//!
//! Values lie in one list and name each other by their places in it. So a shared value exists once, nothing
//! recurses, and memory grows with the bytes that were read: a hostile file is an error. Must never: run what
//! a pickle asks for. Calls are kept as values, and only those that describe tensors are understood.
//! (Python, pickletools.py; torch/_utils.py; torch/serialization.py.)

use std::collections::BTreeMap;

use candle_core::DType;

/// Most values of one pickle. A state dictionary has about forty for each tensor.
const MAX_VALUES: usize = 1 << 22;
/// Wrappers around a tensor: `_rebuild_parameter` around `_rebuild_tensor_v2`, for example.
const MAX_WRAPPERS: usize = 4;

/// A place in the list of values.
type Id = usize;

/// A reason as text; the caller names the file.
pub type Result<T> = std::result::Result<T, String>;

#[derive(Debug)]
enum Value {
    /// None, numbers that are not whole, bytes: nothing that a tensor's description needs.
    Other,
    Int(i64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// `module.name`.
    Class(String),
    Call(Id, Id),
    /// A reference to a storage.
    Persistent(Id),
}

/// One pickle.
pub struct Pickle {
    values: Vec<Value>,
    top: Id,
}

/// Where the elements of a storage are, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its name in the file.
    pub key: String,
    /// The type of floating-point numbers; None for whole numbers and truth values.
    pub dtype: Option<DType>,
    /// Bytes of an element.
    pub element_bytes: usize,
}

/// The description of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in the state dictionary.
    pub name: String,
    /// Where its elements are.
    pub storage: Storage,
    /// Its first element in the storage.
    pub offset: usize,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Elements between neighbours of each dimension.
    pub strides: Vec<usize>,
}

/// The bytes that are left to read.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or("it is truncated")?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `n` bytes, at most 8, as a number.
    pub fn number(&mut self, n: usize) -> Result<u64> {
        Ok(self.take(n)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn length(&mut self, n: usize) -> Result<usize> {
        usize::try_from(self.number(n)?).map_err(|error| error.to_string())
    }

    fn text(&mut self, n: usize) -> Result<String> {
        Ok(String::from_utf8_lossy(self.take(n)?).into_owned())
    }

    fn line(&mut self) -> Result<&'a [u8]> {
        let n = self.0.iter().position(|&byte| byte == b'\n').ok_or("it is truncated")?;
        let line = self.take(n)?;
        self.take(1)?;
        Ok(line)
    }
}

/// The state of the machine that pickles are programs for.
#[derive(Default)]
struct Machine {
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Lengths of the stack at the open marks.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Id>,
}

impl Machine {
    fn push(&mut self, value: Value) -> Result<()> {
        if self.values.len() >= MAX_VALUES || self.stack.len() >= MAX_VALUES {
            return Err("it has too many values for a checkpoint".into());
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id> {
        self.stack.pop().ok_or_else(|| "a value is missing".into())
    }

    /// The values since the last mark.
    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let at = self.marks.pop().filter(|&at| at <= self.stack.len()).ok_or("a mark is missing")?;
        Ok(self.stack.split_off(at))
    }

    fn last(&mut self) -> Result<&mut Value> {
        let id = *self.stack.last().ok_or("a value is missing")?;
        self.values.get_mut(id).ok_or_else(|| "a value is missing".into())
    }

    fn tuple(&mut self, n: usize) -> Result<()> {
        let at = self.stack.len().checked_sub(n).ok_or("a value is missing")?;
        let ids = self.stack.split_off(at);
        self.push(Value::Tuple(ids))
    }

    fn get(&mut self, key: u64) -> Result<()> {
        let id = *self.memo.get(&key).ok_or("a value that is used again is missing")?;
        if self.stack.len() >= MAX_VALUES {
            return Err("it has too many values for a checkpoint".into());
        }
        self.stack.push(id);
        Ok(())
    }

    fn put(&mut self, key: u64) -> Result<()> {
        let id = *self.stack.last().ok_or("a value is missing")?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn append(&mut self, ids: Vec<Id>) -> Result<()> {
        match self.last()? {
            Value::List(list) => list.extend(ids),
            // A set or an object of another class: nothing of it is used.
            _ => {}
        }
        Ok(())
    }

    fn set_items(&mut self, ids: Vec<Id>) -> Result<()> {
        if let Value::Dict(entries) = self.last()? {
            entries.extend(ids.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        Ok(())
    }

    fn call(&mut self) -> Result<()> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        match self.values.get(callable) {
            Some(Value::Class(name)) if name == "collections.OrderedDict" => {
                self.push(Value::Dict(Vec::new()))
            }
            _ => self.push(Value::Call(callable, arguments)),
        }
    }

    fn class_of_stack(&mut self) -> Result<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (self.values.get(module), self.values.get(name)) {
            (Some(Value::Text(module)), Some(Value::Text(name))) => {
                let class = format!("{module}.{name}");
                self.push(Value::Class(class))
            }
            _ => Err("the name of a class is missing".into()),
        }
    }

    /// Does one instruction; true at the last one.
    fn step(&mut self, bytes: &mut Bytes) -> Result<bool> {
        match bytes.number(1)? as u8 {
            b'.' => return Ok(true),
            // The protocol, and the length of a part of the pickle.
            0x80 => drop(bytes.take(1)?),
            0x95 => drop(bytes.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'N' | 0x88 | 0x89 => self.push(Value::Other)?,
            b'G' => {
                bytes.take(8)?;
                self.push(Value::Other)?;
            }
            b'K' => self.push_int(bytes, 1)?,
            b'M' => self.push_int(bytes, 2)?,
            b'J' => {
                let value = bytes.number(4)? as u32;
                self.push(Value::Int(i64::from(value.cast_signed())))?;
            }
            0x8a => self.push_long(bytes, 1)?,
            0x8b => self.push_long(bytes, 4)?,
            b'X' => self.push_text(bytes, 4)?,
            0x8c | b'U' => self.push_text(bytes, 1)?,
            0x8d => self.push_text(bytes, 8)?,
            b'T' => self.push_text(bytes, 4)?,
            b'C' => self.push_bytes(bytes, 1)?,
            b'B' => self.push_bytes(bytes, 4)?,
            0x8e => self.push_bytes(bytes, 8)?,
            b')' => self.push(Value::Tuple(Vec::new()))?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            0x8f => self.push(Value::Other)?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let ids = self.pop_mark()?;
                self.push(Value::Tuple(ids))?;
            }
            b'l' => {
                let ids = self.pop_mark()?;
                self.push(Value::List(ids))?;
            }
            b'd' => {
                let ids = self.pop_mark()?;
                self.push(Value::Dict(ids.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()))?;
            }
            b'a' => {
                let id = self.pop()?;
                self.append(vec![id])?;
            }
            b'e' | 0x90 => {
                let ids = self.pop_mark()?;
                self.append(ids)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(vec![key, value])?;
            }
            b'u' => {
                let ids = self.pop_mark()?;
                self.set_items(ids)?;
            }
            b'c' => {
                let (module, name) = (bytes.line()?, bytes.line()?);
                let class = format!("{}.{}", String::from_utf8_lossy(module), String::from_utf8_lossy(name));
                self.push(Value::Class(class))?;
            }
            0x93 => self.class_of_stack()?,
            b'R' | 0x81 => self.call()?,
            // The state of an object: of a state dictionary, the versions of its modules.
            b'b' => drop(self.pop()?),
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }
            b'h' => self.get_at(bytes, 1)?,
            b'j' => self.get_at(bytes, 4)?,
            b'q' => self.put_at(bytes, 1)?,
            b'r' => self.put_at(bytes, 4)?,
            0x94 => self.put(self.memo.len() as u64)?,
            code => return Err(format!("its instruction {code:#04x} is not known")),
        }
        Ok(false)
    }

    fn push_int(&mut self, bytes: &mut Bytes, n: usize) -> Result<()> {
        let value = bytes.number(n)?;
        self.push(Value::Int(value as i64))
    }

    /// A number of any length; `n` bytes say which.
    fn push_long(&mut self, bytes: &mut Bytes, n: usize) -> Result<()> {
        let n_bytes = bytes.length(n)?;
        let taken = bytes.take(n_bytes)?;
        if n_bytes > 8 {
            return self.push(Value::Other);
        }
        let value = Bytes(taken).number(n_bytes)?;
        let unused = 64 - 8 * n_bytes as u32;
        let signed = if n_bytes == 0 { 0 } else { (value << unused).cast_signed() >> unused };
        self.push(Value::Int(signed))
    }

    fn push_text(&mut self, bytes: &mut Bytes, n: usize) -> Result<()> {
        let n_bytes = bytes.length(n)?;
        let text = bytes.text(n_bytes)?;
        self.push(Value::Text(text))
    }

    fn push_bytes(&mut self, bytes: &mut Bytes, n: usize) -> Result<()> {
        let n_bytes = bytes.length(n)?;
        bytes.take(n_bytes)?;
        self.push(Value::Other)
    }

    fn get_at(&mut self, bytes: &mut Bytes, n: usize) -> Result<()> {
        let key = bytes.number(n)?;
        self.get(key)
    }

    fn put_at(&mut self, bytes: &mut Bytes, n: usize) -> Result<()> {
        let key = bytes.number(n)?;
        self.put(key)
    }
}

impl Pickle {
    /// Reads the next pickle.
    ///
    /// # Errors
    /// It is truncated, has an unknown instruction, or more values than a checkpoint has.
    pub fn read(bytes: &mut Bytes) -> Result<Self> {
        let mut machine = Machine::default();
        while !machine.step(bytes)? {}
        let top = machine.pop()?;
        Ok(Self { values: machine.values, top })
    }

    /// The texts of a list.
    pub fn texts(&self) -> Option<Vec<&str>> {
        let Value::List(ids) = self.value(self.top)? else { return None };
        ids.iter().map(|&id| self.text(id)).collect()
    }

    /// The tensors of a state dictionary, which may be an entry `state_dict` or `model` of a larger one. Other
    /// entries are skipped.
    ///
    /// # Errors
    /// There are none, or the description of one is not understood.
    pub fn tensors(&self) -> Result<Vec<TensorInfo>> {
        let Some(Value::Dict(entries)) = self.value(self.top) else {
            return Err("it has no state dictionary".into());
        };
        let found = self.tensors_of(entries)?;
        if !found.is_empty() {
            return Ok(found);
        }
        for &(key, value) in entries {
            if let (Some("state_dict" | "model"), Some(Value::Dict(inner))) =
                (self.text(key), self.value(value))
            {
                let found = self.tensors_of(inner)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
        }
        Err("its state dictionary has no tensors".into())
    }

    fn tensors_of(&self, entries: &[(Id, Id)]) -> Result<Vec<TensorInfo>> {
        let named = entries.iter().filter_map(|&(key, value)| Some((self.text(key)?, value)));
        named.filter_map(|(name, value)| self.tensor(name, value).transpose()).collect()
    }

    fn value(&self, id: Id) -> Option<&Value> {
        self.values.get(id)
    }

    fn text(&self, id: Id) -> Option<&str> {
        match self.value(id)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.value(id)? {
            Value::Tuple(ids) => Some(ids),
            _ => None,
        }
    }

    fn size(&self, id: Id) -> Option<usize> {
        match self.value(id)? {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        self.tuple(id)?.iter().map(|&id| self.size(id)).collect()
    }

    fn class(&self, id: Id) -> Option<&str> {
        match self.value(id)? {
            Value::Class(name) => Some(name),
            _ => None,
        }
    }

    /// The tensor that a call makes; None for a value of another kind.
    fn tensor(&self, name: &str, id: Id) -> Result<Option<TensorInfo>> {
        let Some(Value::Call(callable, arguments)) = self.value(id) else { return Ok(None) };
        let (mut callable, mut arguments) = (*callable, *arguments);
        for _ in 0..MAX_WRAPPERS {
            let inner = match (self.class(callable), self.tuple(arguments)) {
                (Some("torch._tensor._rebuild_from_type_v2"), Some(&[inner, _, arguments, ..])) => {
                    (inner, arguments)
                }
                (Some("torch._utils._rebuild_parameter"), Some(&[tensor, ..])) => match self.value(tensor) {
                    Some(Value::Call(inner, arguments)) => (*inner, *arguments),
                    _ => break,
                },
                _ => break,
            };
            (callable, arguments) = inner;
        }
        let is_tensor = matches!(
            self.class(callable),
            Some("torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor")
        );
        if !is_tensor {
            return Ok(None);
        }
        let found = self.described(name, arguments);
        found.map(Some).ok_or_else(|| format!("the description of {name} is not understood"))
    }

    fn described(&self, name: &str, arguments: Id) -> Option<TensorInfo> {
        let &[storage, offset, shape, strides, ..] = self.tuple(arguments)? else { return None };
        let Value::Persistent(storage) = self.value(storage)? else { return None };
        let &[_, class, key, ..] = self.tuple(*storage)? else { return None };
        let class = self.class(class)?.rsplit('.').next().unwrap_or_default();
        let (dtype, element_bytes) = match class {
            "FloatStorage" => (Some(DType::F32), 4),
            "DoubleStorage" => (Some(DType::F64), 8),
            "HalfStorage" => (Some(DType::F16), 2),
            "BFloat16Storage" => (Some(DType::BF16), 2),
            "BoolStorage" | "ByteStorage" | "CharStorage" => (None, 1),
            "ShortStorage" => (None, 2),
            "IntStorage" => (None, 4),
            "LongStorage" => (None, 8),
            _ => return None,
        };
        let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
        (shape.len() == strides.len()).then_some(())?;
        let storage = Storage { key: self.text(key)?.to_string(), dtype, element_bytes };
        Some(TensorInfo { name: name.into(), storage, offset: self.size(offset)?, shape, strides })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        match Pickle::read(&mut Bytes(bytes)).and_then(|pickle| pickle.tensors()) {
            Ok(tensors) => panic!("{tensors:?}"),
            Err(error) => error,
        }
    }

    /// Lists in lists, and a value that holds itself twice in every round: exponential if it were copied.
    #[test]
    fn pickles_that_recurse_or_grow_are_errors() {
        let nested = [b"\x80\x02".as_slice(), &b"]".repeat(1_000_000), &b"a".repeat(999_999), b"."].concat();
        assert_eq!(error(&nested), "it has no state dictionary");
        let doubled = [b"\x80\x02]q\x00".as_slice(), &b"h\x00h\x00\x86q\x00".repeat(100_000), b"."].concat();
        assert_eq!(error(&doubled), "it has no state dictionary");
        let own = b"\x80\x02}q\x00X\x05\x00\x00\x00modelh\x00s.";
        assert_eq!(error(own), "its state dictionary has no tensors");
        let persistent = [b"\x80\x02N".as_slice(), &b"Q".repeat(1_000_000), b"."].concat();
        assert_eq!(error(&persistent), "it has no state dictionary");
        assert_eq!(error(&b"N".repeat(MAX_VALUES + 1)), "it has too many values for a checkpoint");
        let get = [b"Nq\x00".as_slice(), &b"h\x00".repeat(MAX_VALUES)].concat();
        assert_eq!(error(&get), "it has too many values for a checkpoint");
    }

    #[test]
    fn lengths_that_the_file_does_not_have_are_errors() {
        for bytes in [
            b"\x80\x02X\xff\xff\xff\xff".as_slice(),
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x8b\xff\xff\xff\x7f",
            b"\x80\x02cos\nsystem",
            b"",
        ] {
            assert_eq!(error(bytes), "it is truncated", "{bytes:x?}");
        }
        assert_eq!(error(b"\x80\x02\x85."), "a value is missing");
        assert_eq!(error(b"\x80\x02u."), "a mark is missing");
        assert_eq!(error(b"\x80\x02i"), "its instruction 0x69 is not known");
    }

    #[test]
    fn numbers_of_any_length() {
        let value = |bytes: &[u8]| match Pickle::read(&mut Bytes(bytes)).unwrap().values.remove(0) {
            Value::Int(value) => Some(value),
            _ => None,
        };
        assert_eq!(value(b"\x8a\x01\xff."), Some(-1));
        assert_eq!(value(b"\x8a\x02\x00\x01."), Some(256));
        assert_eq!(value(b"\x8a\x00."), Some(0));
        assert_eq!(value(b"J\xfe\xff\xff\xff."), Some(-2));
        assert_eq!(value(b"\x8a\x09\x00\x01\x02\x03\x04\x05\x06\x07\x08."), None);
    }
}
