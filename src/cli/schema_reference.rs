//! The experiment format as Markdown, made from its JSON Schema: what `electra-lab schema --markdown` prints.
//!
//! `docs/experiment.md` is this text, and a test compares the two. Must never: state a rule that the schema
//! does not have. What a schema cannot say stands in two tables below, and tests hold both to the types: the
//! defaults that are left out of files so that old trial ids stay, and the values of the examples.

mod explain;

use serde_json::{Map, Value, json};

pub use explain::explain;

const INTRODUCTION: &str = include_str!("schema_reference/introduction.md");

/// The page of the experiment format, from the schema that `electra-lab schema` prints.
pub fn reference(schema: &Value) -> String {
    let mut page = Page { text: INTRODUCTION.into(), ..Page::new(schema) };
    page.section("", schema);
    page.text
}

struct Page<'s> {
    schema: &'s Value,
    text: String,
    /// Definition and path of every section so far: a definition is described where it is met first.
    sections: Vec<(&'s str, String)>,
    /// Definition of every list of words so far.
    words: Vec<&'s str>,
    /// Paths of the lists of sections so far.
    lists: Vec<String>,
}

/// What the value of a key is.
enum Kind<'s> {
    /// A mapping with keys of its own: its definition.
    Section(&'s str, &'s Value),
    /// One of a few words: its definition.
    Word(&'s str, &'s Value),
    /// Anything else.
    Plain(&'s Value),
}

impl<'s> Page<'s> {
    /// A page without text.
    fn new(schema: &'s Value) -> Self {
        Self { schema, text: String::new(), sections: Vec::new(), words: Vec::new(), lists: Vec::new() }
    }

    /// A heading, the keys of a mapping, and the sections below it. `path` is dotted from the top of the
    /// file.
    fn section(&mut self, path: &str, node: &'s Value) {
        match path {
            "" => self.paragraph("## Top level"),
            _ => self.paragraph(&format!("## `{path}`")),
        }
        if !path.is_empty() {
            self.paragraph(&description(node));
        }
        let kinds: Vec<(&str, &Value)> =
            variants(node).filter_map(|variant| Some((kind_of(variant)?, variant))).collect();
        if kinds.is_empty() {
            self.keys(path, node);
        }
        for (kind, variant) in kinds {
            self.paragraph(&format!("### `{path}`, `kind: {kind}`"));
            self.paragraph(&description(variant));
            self.keys(path, variant);
        }
        for variant in std::iter::once(node).chain(variants(node)) {
            for (key, declared) in properties(variant) {
                self.section_below(&below(path, key), declared);
            }
        }
    }

    fn section_below(&mut self, path: &str, declared: &'s Value) {
        let (path, declared) = match (each_is_a_section(declared), items(declared)) {
            (true, _) => (below(path, "NAME"), &declared["additionalProperties"]),
            (false, Some(items)) => {
                self.lists.push(path.to_string());
                (path.to_string(), items)
            }
            (false, None) => (path.to_string(), declared),
        };
        if let Kind::Section(definition, node) = self.kind(declared)
            && !self.sections.iter().any(|(described, _)| *described == definition)
        {
            self.sections.push((definition, path.clone()));
            self.section(&path, node);
        }
    }

    /// The table of a mapping's keys, the words that they may be, and an example.
    fn keys(&mut self, path: &str, node: &'s Value) {
        let mut table =
            String::from("| key | type | range | default | meaning |\n| --- | --- | --- | --- | --- |\n");
        for (key, declared) in properties(node) {
            let cells = [
                self.type_of(&below(path, key), declared),
                self.range(declared),
                self.default(&below(path, key), key, declared, node),
                description(declared).replace('|', "\\|"),
            ];
            table.push_str(&format!("| `{key}` | {} |\n", cells.join(" | ")));
        }
        self.paragraph(table.trim_end());
        for (key, declared) in properties(node) {
            self.words(key, declared);
        }
        if let Some(example) = self.example(path, node) {
            self.paragraph(&format!("```yaml\n{example}```"));
        }
    }

    /// The words of a key with what each means, where they were not listed before.
    fn words(&mut self, key: &str, declared: &'s Value) {
        let declared = declared.get("items").unwrap_or(declared);
        let Kind::Word(definition, node) = self.kind(declared) else { return };
        if self.words.contains(&definition) {
            return;
        }
        self.words.push(definition);
        let mut list = format!("`{key}`: {}\n\n", description(node));
        for variant in variants(node) {
            let word = variant.get("const").and_then(Value::as_str).unwrap_or_default();
            list.push_str(&format!("- `{word}`: {}\n", description(variant)));
        }
        self.paragraph(list.trim_end());
    }

    /// The type of the value at a path, with a link to the keys of a section.
    fn type_of(&self, path: &str, declared: &'s Value) -> String {
        match self.kind(declared) {
            Kind::Section(definition, _) => {
                let known = self.sections.iter().find(|(described, _)| *described == definition);
                match known {
                    Some((_, path)) => format!("section, as [`{path}`](#{})", anchor(path)),
                    None => format!("[section](#{})", anchor(path)),
                }
            }
            Kind::Word(..) => "word".into(),
            Kind::Plain(node) => {
                let items = node.get("items").filter(|items| items.is_object());
                match (type_name(node), items) {
                    ("array", Some(items)) => format!("list of {}s", self.type_of(path, items)),
                    ("array", None) => "list".into(),
                    ("object", _) if each_is_a_section(node) => {
                        format!("[mapping](#{})", anchor(&below(path, "NAME")))
                    }
                    ("object", _) => "mapping".into(),
                    (name, _) => name.into(),
                }
            }
        }
    }

    fn range(&self, declared: &'s Value) -> String {
        let declared = declared.get("items").filter(|items| items.is_object()).unwrap_or(declared);
        if let Kind::Word(_, node) = self.kind(declared) {
            let words: Vec<String> = variants(node)
                .filter_map(|variant| variant.get("const")?.as_str())
                .map(|word| format!("`{word}`"))
                .collect();
            return words.join(", ");
        }
        match (declared.get("minimum"), declared.get("maximum"), declared.get("pattern")) {
            (Some(low), Some(high), _) => format!("{low} to {high}"),
            (Some(low), None, _) => format!("from {low}"),
            (None, Some(high), _) => format!("up to {high}"),
            (None, None, Some(pattern)) => format!("`{}`", pattern.as_str().unwrap_or_default()),
            (None, None, None) => String::new(),
        }
    }

    fn default(&self, path: &str, key: &str, declared: &'s Value, owner: &Value) -> String {
        if let Some(word) = declared.get("const") {
            return format!("required: `{}`", word.as_str().unwrap_or_default());
        }
        let required = owner.get("required").and_then(Value::as_array);
        if required.is_some_and(|keys| keys.iter().any(|required| required == key)) {
            return "required".into();
        }
        match default_of(path, declared) {
            Some(Value::Null) => "unset".into(),
            Some(value) if value.as_str() == Some("") => "empty".into(),
            Some(Value::String(word)) => format!("`{word}`"),
            Some(value) if !value.is_object() => format!("`{value}`"),
            _ if optional(declared) => "unset".into(),
            Some(Value::Object(map)) if map.contains_key("kind") => {
                format!("`kind: {}`", map["kind"].as_str().unwrap_or_default())
            }
            Some(Value::Object(map)) if map.is_empty() => "empty".into(),
            _ => "its defaults".into(),
        }
    }

    /// A mapping with every key that is no section, as YAML from the top of the file; none at the top itself.
    fn example(&self, path: &str, node: &'s Value) -> Option<String> {
        let mut map = Map::new();
        for (key, declared) in properties(node) {
            if let Some(value) = self.example_value(&below(path, key), declared) {
                map.insert(key.into(), value);
            }
        }
        // An entry of a list is shown whole, with the sections below it.
        let is_below_a_list = self.lists.iter().any(|list| path.starts_with(&format!("{list}.")));
        if path.is_empty() || map.is_empty() || is_below_a_list {
            return None;
        }
        let mut own = Value::Object(map);
        if self.lists.iter().any(|list| list == path) {
            own = json!([own]);
        }
        for key in path.replace("NAME", "quick").rsplit('.') {
            own = json!({ key: own });
        }
        let kind = kind_of(node).unwrap_or_default();
        let is_for = |at: &str, of: &str| at == path && (of.is_empty() || of == kind);
        let beside = NEEDED_BESIDE.iter().find(|(at, of, _)| is_for(at, of));
        let mut whole = beside.map_or(json!({}), |(_, _, text)| literal(text));
        merge(&mut whole, &own);
        serde_yaml::to_string(&whole).ok()
    }

    /// The value of a key in an example; none for a section, which has an example of its own.
    fn example_value(&self, path: &str, declared: &'s Value) -> Option<Value> {
        if let Some(word) = declared.get("const") {
            return Some(word.clone());
        }
        if let Some((_, text)) = EXAMPLES.iter().find(|(at, _)| *at == path) {
            return Some(literal(text));
        }
        if matches!(self.kind(declared), Kind::Section(..)) {
            return None;
        }
        default_of(path, declared).filter(|value| !value.is_null())
    }

    /// Follows references and takes the structure of an optional value.
    fn kind(&self, declared: &'s Value) -> Kind<'s> {
        let choices = declared.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        let reference = |node: &'s Value| node.get("$ref").and_then(Value::as_str);
        let Some(found) = std::iter::once(declared).chain(choices).find_map(reference) else {
            return Kind::Plain(declared);
        };
        let definition = found.rsplit('/').next().unwrap_or_default();
        match self.schema.pointer(found.trim_start_matches('#')) {
            Some(node) if properties(node).next().is_some() => Kind::Section(definition, node),
            Some(node) if variants(node).any(|variant| kind_of(variant).is_some()) => {
                Kind::Section(definition, node)
            }
            Some(node) => Kind::Word(definition, node),
            None => Kind::Plain(declared),
        }
    }

    fn paragraph(&mut self, text: &str) {
        if !text.is_empty() {
            self.text.push('\n');
            self.text.push_str(text);
            self.text.push('\n');
        }
    }
}

/// Keys whose default is not in the schema, since a value that equals it is not written, so that trials made
/// before the key keep their ids: the path and the default.
const UNWRITTEN_DEFAULTS: &[(&str, &str)] = &[
    ("base.model.initializer_range", "0.02"),
    ("base.train.precision", "\"f32\""),
    ("base.train.stop_at", "1.0"),
    ("evaluate.finetune.double_unordered", "false"),
    ("evaluate.finetune.head", "\"paper\""),
    ("evaluate.finetune.keep_models", "false"),
    ("evaluate.finetune.layer_decay_rule", "\"paper\""),
    ("evaluate.generator_pairs", "true"),
    ("evaluate.minimal_pairs", "[]"),
    ("evaluate.predict_test", "false"),
];

/// Values of the examples where a default is missing, says nothing or would not go with the others.
const EXAMPLES: &[(&str, &str)] = &[
    ("base.data.column", "\"text\""),
    ("base.data.files", "\"20231101.simple/train-*.parquet\""),
    ("base.data.max_documents", "20000"),
    ("base.data.paths", "[\"text/*.txt\"]"),
    ("base.data.repo", "\"wikimedia/wikipedia\""),
    ("base.data.tokenizer.path", "\"vocab.txt\""),
    ("base.data.validation_files", "\"20231101.simple/validation-*.parquet\""),
    ("base.init.discriminator.model", "\"google/electra-small-discriminator\""),
    ("base.init.generator.model", "\"google/electra-small-generator\""),
    ("base.model.embedding", "128"),
    ("base.model.ffn", "1024"),
    ("base.model.generator_layers", "12"),
    ("base.model.heads", "4"),
    ("base.model.hidden", "256"),
    ("base.model.layers", "12"),
    ("base.model.size", "\"small\""),
    ("base.objective.final_temperature", "1.0"),
    ("base.published.model", "\"google/electra-small-discriminator\""),
    ("base.train.amount", "1000000.0"),
    ("base.train.budget", "\"tokens\""),
    ("base.train.checkpoint_mb", "500"),
    ("base.train.micro_batch", "8"),
    ("evaluate.finetune.epochs_small_tasks", "10.0"),
    ("evaluate.finetune.max_train_examples", "1000"),
    ("evaluate.finetune.recipe", "\"paper\""),
    ("evaluate.finetune.recipe_size", "\"small\""),
    ("evaluate.intermediate.for", "[\"rte\", \"stsb\", \"mrpc\"]"),
    ("evaluate.intermediate.task", "\"mnli\""),
    ("evaluate.minimal_pairs", "[{\"kind\": \"language\"}]"),
    ("evaluate.probe.max_train_examples", "1000"),
    ("evaluate.probe.tasks", "[\"cola\"]"),
    ("evaluate.squad.max_train_examples", "20000"),
    ("evaluate.squad.max_validation_examples", "3000"),
    ("evaluate.squad.no_answer_threshold", "0.0"),
    ("evaluate.tasks", "[\"cola\", \"sst2\"]"),
    ("expect.best_at", "[0.25, 0.5]"),
    (
        "expect.contrasts",
        "[{\"name\": \"RTD above MLM\", \"better\": {\"objective.kind\": \"rtd\"}, \"than\": {\"objective.kind\": \"mlm\"}}]",
    ),
    ("expect.contrasts.better", "{\"objective.kind\": \"rtd\", \"model.hidden\": 64}"),
    (
        "expect.contrasts.by_more_than",
        "{\"better\": {\"objective.kind\": \"rtd\", \"model.hidden\": 256}, \
          \"than\": {\"objective.kind\": \"mlm\", \"model.hidden\": 256}}",
    ),
    ("expect.contrasts.measure", "\"pairs.language.pll\""),
    ("expect.contrasts.name", "\"RTD gains more in a narrow model\""),
    ("expect.contrasts.smallest_effect", "1.0"),
    ("expect.contrasts.than", "{\"objective.kind\": \"mlm\", \"model.hidden\": 64}"),
    ("expect.gates", "[{\"measure\": \"held_out.disc_auc\", \"at_least\": 0.75}]"),
    ("expect.gates.above", "\"untrained\""),
    ("expect.gates.at", "{\"objective.kind\": \"rtd\"}"),
    ("expect.gates.measure", "\"pairs.language.disc_sum\""),
    (
        "expect.paper.rows",
        "{\"1/4\": {\"model.generator_ratio\": 0.25}, \"1\": {\"model.generator_ratio\": 1.0}}",
    ),
    ("expect.paper.table", "\"figure3_left\""),
    ("expect.shape", "\"best at a quarter to a half of the discriminator's width\""),
    ("expect.source", "\"ELECTRA, section 3.2 and Figure 3 (left)\""),
    ("profiles.NAME.about", "\"The built-in language; minutes on two cores.\""),
    ("profiles.NAME.seeds", "[1, 2]"),
    ("profiles.NAME.sweep", "{\"model.generator_ratio\": [0.25, 1.0]}"),
    ("report.series", "\"objective.kind\""),
    ("report.x", "\"model.generator_ratio\""),
];

/// A text that models of English are trained on.
const ENGLISH: &str = r#"{"base": {"data": {"kind": "files", "paths": ["text/*.txt"]}}, "evaluate": {"source": {"kind": "hub"}}}"#;

/// What an example needs elsewhere in the file: the path of its section, its kind (empty: any), and the rest.
const NEEDED_BESIDE: &[(&str, &str, &str)] = &[
    ("expect", "", r#"{"sweep": {"objective.kind": ["rtd", "mlm"]}, "evaluate": {"tasks": ["cola"]}}"#),
    (
        "expect.gates",
        "",
        r#"{"sweep": {"objective.kind": ["rtd", "mlm"]}, "evaluate": {"minimal_pairs": [{"kind": "language"}]}}"#,
    ),
    (
        "expect.contrasts",
        "",
        r#"{"sweep": {"objective.kind": ["rtd", "mlm"], "model.hidden": [64, 256]},
            "evaluate": {"minimal_pairs": [{"kind": "language"}]}}"#,
    ),
    ("base.objective", "two_stage", r#"{"base": {"model": {"generator_ratio": 1.0, "sharing": "none"}}}"#),
    ("base.data.tokenizer", "", r#"{"base": {"data": {"kind": "files", "paths": ["text/*.txt"]}}}"#),
    ("evaluate.minimal_pairs", "blimp", ENGLISH),
    ("evaluate.minimal_pairs", "zorro", ENGLISH),
    (
        "evaluate.intermediate",
        "",
        r#"{"base": {"published": {"model": "google/electra-small-discriminator"}},
            "evaluate": {"source": {"kind": "hub"}, "tasks": ["rte", "stsb", "mrpc"]}}"#,
    ),
    (
        "report",
        "",
        r#"{"sweep": {"model.generator_ratio": [0.25, 1.0], "objective.kind": ["rtd", "electra_15"]},
            "evaluate": {"tasks": ["cola"]}}"#,
    ),
];

/// What an unwritten key means.
fn default_of(path: &str, declared: &Value) -> Option<Value> {
    let unwritten = UNWRITTEN_DEFAULTS.iter().find(|(at, _)| *at == path).map(|(_, text)| literal(text));
    unwritten.or_else(|| declared.get("default").cloned())
}

/// A value of the tables above.
fn literal(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()))
}

/// Lays `upper` over `lower`, key by key.
fn merge(lower: &mut Value, upper: &Value) {
    match (lower, upper) {
        (Value::Object(lower), Value::Object(upper)) => {
            for (key, value) in upper {
                merge(lower.entry(key).or_insert(Value::Null), value);
            }
        }
        (lower, upper) => *lower = upper.clone(),
    }
}

fn properties(node: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let declared = node.get("properties").and_then(Value::as_object);
    declared.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

fn variants(node: &Value) -> impl Iterator<Item = &Value> {
    node.get("oneOf").and_then(Value::as_array).into_iter().flatten()
}

fn kind_of(variant: &Value) -> Option<&str> {
    variant.pointer("/properties/kind/const").and_then(Value::as_str)
}

/// Whether it maps names to sections of one kind.
fn each_is_a_section(node: &Value) -> bool {
    node.pointer("/additionalProperties/$ref").is_some()
}

/// The schema of a list's entries, if it is a list.
fn items(node: &Value) -> Option<&Value> {
    node.get("items").filter(|items| items.is_object())
}

/// The type's name, of an optional value that of the value.
fn type_name(node: &Value) -> &str {
    match node.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        name => name.and_then(Value::as_str),
    }
    .unwrap_or("any")
}

/// Whether a key may hold nothing.
fn optional(declared: &Value) -> bool {
    let is_null = |node: &Value| node.get("type").is_some_and(|name| name == "null");
    let choices = declared.get("anyOf").and_then(Value::as_array);
    let names = declared.get("type").and_then(Value::as_array);
    choices.is_some_and(|choices| choices.iter().any(is_null))
        || names.is_some_and(|names| names.iter().any(|name| name == "null"))
}

/// A node's text on one line.
fn description(node: &Value) -> String {
    let text = node.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}

/// The fragment that mdBook and forges give the heading of a section.
fn anchor(path: &str) -> String {
    path.chars()
        .filter(|letter| letter.is_alphanumeric() || "_-".contains(*letter))
        .collect::<String>()
        .to_lowercase()
}

#[cfg(test)]
mod tests;
