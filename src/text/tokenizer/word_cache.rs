//! A cache of the ids of words, which makes tokenising a corpus several times faster.
//!
//! BERT's normaliser and its word boundaries do not look beyond a space, so the ids of a text are those of
//! its words between spaces, and most words are repeated. Each thread has its own cache. A test compares the
//! cache with the tokenizer on the whole text, control characters and accents included. Must never: be used
//! for a tokenizer that looks beyond spaces ([`is_local`]).

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use tokenizers::{ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

/// The cache of a thread is cleared at this many words: about 10 MB.
const MAX_WORDS: usize = 1 << 16;
/// Longer words, in bytes, are not cached: they are rarely repeated.
const MAX_WORD_BYTES: usize = 40;

static NEXT_CACHE_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static THREAD_CACHE: RefCell<ThreadCache> = RefCell::default();
}

/// The words of one tokenizer that a thread has seen.
#[derive(Default)]
struct ThreadCache {
    cache_id: u64,
    ids: HashMap<Box<str>, Box<[u32]>>,
}

/// The id of the caches of one tokenizer, one per thread. Copies of a tokenizer share them.
#[derive(Clone, Copy, Debug)]
pub struct WordCache(u64);

/// Whether the ids of a word between two spaces depend on that word alone.
pub fn is_local(tokenizer: &Tokenizer) -> bool {
    matches!(tokenizer.get_normalizer(), Some(NormalizerWrapper::BertNormalizer(_)))
        && matches!(tokenizer.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)))
        && matches!(tokenizer.get_model(), ModelWrapper::WordPiece(_))
        && tokenizer.get_added_tokens_decoder().values().all(|token| token.special)
}

impl WordCache {
    /// A cache without words.
    pub fn new() -> Self {
        Self(NEXT_CACHE_ID.fetch_add(1, Ordering::Relaxed))
    }

    /// The ids of a text; `tokenise` gives those of a word that is not in the cache.
    pub fn encode<E>(
        self,
        text: &str,
        tokenise: impl Fn(&str) -> std::result::Result<Vec<u32>, E>,
    ) -> std::result::Result<Vec<u32>, E> {
        THREAD_CACHE.with_borrow_mut(|known| {
            if known.cache_id != self.0 {
                *known = ThreadCache { cache_id: self.0, ids: HashMap::new() };
            }
            let mut ids = Vec::with_capacity(text.len() / 4);
            // Other white space is left to the normaliser: it drops a form feed, for example, and joins the
            // words around it.
            for word in text.split([' ', '\n', '\t', '\r']).filter(|word| !word.is_empty()) {
                if let Some(found) = known.ids.get(word) {
                    ids.extend_from_slice(found);
                    continue;
                }
                let found = tokenise(word)?;
                ids.extend_from_slice(&found);
                if word.len() <= MAX_WORD_BYTES {
                    if known.ids.len() == MAX_WORDS {
                        known.ids.clear();
                    }
                    known.ids.insert(word.into(), found.into());
                }
            }
            Ok(ids)
        })
    }
}
