//! Ids of words that were met before: what makes tokenising a corpus several times faster than the tokenizer alone.
//!
//! BERT's normaliser and its word boundaries look at nothing beyond a space, so the ids of a text are those of its pieces
//! between spaces, and most pieces come again and again. Each thread keeps those that it met. The slow twin is the
//! tokenizer on the whole text; a test holds one to the other, control characters and accents included.
//! Must never: be used for a tokenizer that looks beyond spaces ([`is_local`]).

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use tokenizers::{ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

/// Words a thread keeps before it begins anew: some 10 MB.
const WORDS: usize = 1 << 16;
/// Longer pieces, in bytes, are seldom met twice.
const LONGEST: usize = 40;

static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// What a thread knows, of one tokenizer.
#[derive(Default)]
struct Known {
    cache: u64,
    ids: HashMap<Box<str>, Box<[u32]>>,
}

/// The words of one tokenizer, by thread. Copies share them.
#[derive(Clone, Copy, Debug)]
pub struct WordCache(u64);

/// Whether a tokenizer reads what is between two spaces without looking at the rest.
pub fn is_local(tokenizer: &Tokenizer) -> bool {
    matches!(tokenizer.get_normalizer(), Some(NormalizerWrapper::BertNormalizer(_)))
        && matches!(tokenizer.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)))
        && matches!(tokenizer.get_model(), ModelWrapper::WordPiece(_))
        && tokenizer.get_added_tokens_decoder().values().all(|token| token.special)
}

impl WordCache {
    /// Knows no word.
    pub fn new() -> Self {
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The ids of a text, those of unknown pieces by `tokenise`.
    pub fn encode<E>(
        self,
        text: &str,
        tokenise: impl Fn(&str) -> std::result::Result<Vec<u32>, E>,
    ) -> std::result::Result<Vec<u32>, E> {
        KNOWN.with_borrow_mut(|known| {
            if known.cache != self.0 {
                *known = Known { cache: self.0, ids: HashMap::new() };
            }
            let mut ids = Vec::with_capacity(text.len() / 4);
            // Other white space is the normaliser's: it drops a form feed, and the words on its sides become one.
            for word in text.split([' ', '\n', '\t', '\r']).filter(|word| !word.is_empty()) {
                if let Some(found) = known.ids.get(word) {
                    ids.extend_from_slice(found);
                    continue;
                }
                let found = tokenise(word)?;
                ids.extend_from_slice(&found);
                if word.len() <= LONGEST {
                    if known.ids.len() == WORDS {
                        known.ids.clear();
                    }
                    known.ids.insert(word.into(), found.into());
                }
            }
            Ok(ids)
        })
    }
}
