//! Tokenises a question and its context to windows: `[CLS]` question `[SEP]` part of the context `[SEP]`.
//!
//! A context that is too long for one input is read in windows that overlap. Every token has its byte range
//! in the original text, so that an answer is a slice of it (google-research/electra, finetune/qa; ELECTRA,
//! Appendix B). Must never: change a text. Next: `reader.rs` reads windows, `decode.rs` combines their
//! predictions.

use rayon::prelude::*;

use super::data::SquadExample;
use crate::error::Result;
use crate::experiment::SquadSpec;
use crate::text::{ByteRange, SpecialIds, Tokenizer};

/// `[CLS]`, the `[SEP]` after the question and the one after the context.
const SPECIAL_TOKENS: usize = 3;

/// A tokenised question with its whole context.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizedQuestion {
    /// Token ids of the question, truncated.
    query: Vec<u32>,
    /// Token ids of the context.
    context: Vec<u32>,
    /// The byte range of each of them in the original context.
    offsets: Vec<ByteRange>,
    /// First and last token of the first gold answer: the fewest that cover it. None if there is no answer,
    /// or if the tokenizer drops all its characters.
    answer: Option<(usize, usize)>,
    /// Whether the question has no answer.
    is_impossible: bool,
    windows: Vec<Window>,
}

/// A part of the context that fits into one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    first: usize,
    len: usize,
}

/// One input of the encoder with its targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowInput {
    /// Token ids.
    pub input_ids: Vec<u32>,
    /// 0 for `[CLS]`, the question and its `[SEP]`, 1 for the context and its `[SEP]`.
    pub token_type_ids: Vec<u32>,
    /// Position of the gold answer's first token; 0, the position of `[CLS]`, in a window without the
    /// complete answer.
    pub start: usize,
    /// Position of its last token.
    pub end: usize,
    /// Whether the question has no answer; as in the released code, even if only this window has none, it is
    /// false.
    pub is_impossible: bool,
}

/// Tokenises questions, in parallel and in order.
pub fn tokenize_questions(
    examples: &[SquadExample],
    tokenizer: &Tokenizer,
    spec: &SquadSpec,
) -> Result<Vec<TokenizedQuestion>> {
    examples.par_iter().map(|example| TokenizedQuestion::new(example, tokenizer, spec)).collect()
}

impl TokenizedQuestion {
    fn new(example: &SquadExample, tokenizer: &Tokenizer, spec: &SquadSpec) -> Result<Self> {
        let mut query = tokenizer.encode(&example.question)?;
        query.truncate(spec.query_len);
        let (context, offsets) = tokenizer.encode_with_offsets(&example.context)?;
        let answer = example
            .answers
            .first()
            .and_then(|answer| covering_tokens(&offsets, answer.start, answer.start + answer.text.len()));
        let max_len = spec.seq_len.saturating_sub(query.len() + SPECIAL_TOKENS);
        let windows = windows(context.len(), max_len, spec.stride);
        Ok(Self { query, context, offsets, answer, is_impossible: example.answers.is_empty(), windows })
    }

    /// Number of windows of its context.
    pub fn n_windows(&self) -> usize {
        self.windows.len()
    }

    /// The input of a window.
    pub fn input(&self, window: usize, special: SpecialIds) -> WindowInput {
        let Window { first, len } = self.windows.get(window).copied().unwrap_or(Window { first: 0, len: 0 });
        let mut input_ids = Vec::with_capacity(self.query.len() + len + SPECIAL_TOKENS);
        input_ids.push(special.cls);
        input_ids.extend_from_slice(&self.query);
        input_ids.push(special.sep);
        let mut token_type_ids = vec![0; input_ids.len()];
        input_ids.extend(self.context.iter().skip(first).take(len));
        input_ids.push(special.sep);
        token_type_ids.resize(input_ids.len(), 1);
        let within = self.answer.filter(|&(start, end)| start >= first && end < first + len);
        let at = |token: usize| self.first_position() + token - first;
        let (start, end) = within.map_or((0, 0), |(start, end)| (at(start), at(end)));
        WindowInput { input_ids, token_type_ids, start, end, is_impossible: self.is_impossible }
    }

    /// Position of the first token of the context in every input.
    fn first_position(&self) -> usize {
        self.query.len() + 2
    }

    /// The number of the context's token at a position of a window's input; None for all other tokens.
    pub fn token_at(&self, window: usize, position: usize) -> Option<usize> {
        let within = position.checked_sub(self.first_position())?;
        let window = self.windows.get(window)?;
        (within < window.len).then_some(window.first + within)
    }

    /// Whether this window shows the most context around a token; an answer may start only there. The measure
    /// is the smaller number of tokens before and after it in the window, plus a little for the window's
    /// length.
    pub fn is_best_window(&self, window: usize, token: usize) -> bool {
        let mut best: Option<(usize, f64)> = None;
        for (index, one) in self.windows.iter().enumerate() {
            let end = one.first + one.len;
            if !(one.first..end).contains(&token) {
                continue;
            }
            let around = (token - one.first).min(end - 1 - token) as f64 + 0.01 * one.len as f64;
            if best.is_none_or(|(_, most)| around > most) {
                best = Some((index, around));
            }
        }
        best.is_some_and(|(index, _)| index == window)
    }

    /// The text from one token of the context to another.
    pub fn text_between<'a>(&self, context: &'a str, start: usize, end: usize) -> Option<&'a str> {
        context.get(self.offsets.get(start)?.0..self.offsets.get(end)?.1)
    }
}

/// First and last of the tokens that share a byte with `start..end`.
fn covering_tokens(offsets: &[ByteRange], start: usize, end: usize) -> Option<(usize, usize)> {
    let shares = |&(from, to): &ByteRange| from < end && to > start;
    Some((offsets.iter().position(shares)?, offsets.iter().rposition(shares)?))
}

/// Windows of at most `max_len` of `n` tokens, `stride` apart, until one reaches the end.
fn windows(n: usize, max_len: usize, stride: usize) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut first = 0;
    loop {
        let len = max_len.min(n - first);
        windows.push(Window { first, len });
        if first + len >= n || len == 0 {
            return windows;
        }
        first += len.min(stride).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::squad::data::GoldAnswer;

    fn tokenizer() -> Tokenizer {
        let words =
            "[PAD] [UNK] [CLS] [SEP] [MASK] who is it ? the cat ##s of cafe jose ( ) 18 ##95 - saw a b c d";
        let words: Vec<String> = words.split(' ').map(String::from).collect();
        Tokenizer::from_vocabulary(&words, "a test").unwrap()
    }

    fn question(context: &str, answer: Option<&str>, spec: &SquadSpec) -> TokenizedQuestion {
        let answers = answer.map(|text| GoldAnswer { text: text.into(), start: context.find(text).unwrap() });
        let example = SquadExample {
            id: "q".into(),
            context: context.into(),
            question: "Who is it?".into(),
            answers: answers.into_iter().collect(),
        };
        TokenizedQuestion::new(&example, &tokenizer(), spec).unwrap()
    }

    /// The text of the tokens that cover an answer.
    fn covered_text(context: &str, answer: &str) -> String {
        let question = question(context, Some(answer), &SquadSpec::default());
        let (start, end) = question.answer.unwrap();
        question.text_between(context, start, end).unwrap().to_string()
    }

    #[test]
    fn an_answer_is_covered_by_the_fewest_tokens() {
        assert_eq!(covered_text("the José (1895-18) saw", "1895"), "1895");
        assert_eq!(covered_text("the José (1895-18) saw", "José"), "José");
        assert_eq!(covered_text("the CAFE\u{301} of José", "CAFE\u{301} of"), "CAFE\u{301} of");
        // A part of a word that is one of its tokens, and a part of a word that has one token.
        assert_eq!(covered_text("the Cats saw", "Cat"), "Cat");
        assert_eq!(covered_text("the Jose saw", "Jos"), "Jose");
        // Spaces around an answer belong to no token.
        assert_eq!(covered_text("the  cat  saw", "  cat "), "cat");
    }

    #[test]
    fn an_input_by_hand() {
        let question = question("the cat saw", Some("cat"), &SquadSpec::default());
        let special = tokenizer().special();
        let input = question.input(0, special);
        assert_eq!(input.input_ids, [2, 5, 6, 7, 8, 3, 9, 10, 20, 3]);
        assert_eq!(input.token_type_ids, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!((input.start, input.end, input.is_impossible), (7, 7, false));
        let tokens: Vec<Option<usize>> = (0..10).map(|position| question.token_at(0, position)).collect();
        let none = [None; 6];
        assert_eq!(tokens, [&none[..], &[Some(0), Some(1), Some(2), None]].concat());
    }

    /// Trap 35: the target of a window without the answer is `[CLS]`, but the question is not impossible.
    #[test]
    fn the_target_of_windows_without_the_answer_is_cls() {
        let spec = SquadSpec { seq_len: 11, query_len: 4, stride: 2, ..Default::default() };
        let answered = question("a b c d a b", Some("c d"), &spec);
        let special = tokenizer().special();
        let targets: Vec<(usize, usize, bool)> = (0..answered.n_windows())
            .map(|window| answered.input(window, special))
            .map(|input| (input.start, input.end, input.is_impossible))
            .collect();
        // Windows a b c d | c d a b.
        assert_eq!(targets, [(8, 9, false), (6, 7, false)]);
        let spec = SquadSpec { seq_len: 10, ..spec };
        let answered = question("a b c d a b", Some("c d"), &spec);
        let at = |window| answered.input(window, special).start;
        // Windows a b c | c d a | a b: the first has only half of the answer.
        assert_eq!((answered.n_windows(), at(0), at(1), at(2)), (3, 0, 6, 0));
        let unanswered = question("a b c d a b", None, &spec).input(1, special);
        assert_eq!((unanswered.start, unanswered.end, unanswered.is_impossible), (0, 0, true));
    }

    #[test]
    fn questions_are_truncated() {
        let spec = SquadSpec { query_len: 2, ..Default::default() };
        assert_eq!(
            question("a b", None, &spec).input(0, tokenizer().special()).input_ids,
            [2, 5, 6, 3, 21, 22, 3]
        );
    }

    #[test]
    fn windows_end_with_the_context() {
        let split = |n, max_len, stride| {
            windows(n, max_len, stride).iter().map(|window| (window.first, window.len)).collect::<Vec<_>>()
        };
        assert_eq!(split(10, 10, 4), [(0, 10)]);
        assert_eq!(split(11, 10, 4), [(0, 10), (4, 7)]);
        assert_eq!(split(20, 10, 4), [(0, 10), (4, 10), (8, 10), (12, 8)]);
        // A stride longer than a window does not leave out tokens.
        assert_eq!(split(12, 5, 128), [(0, 5), (5, 5), (10, 2)]);
        assert_eq!(split(0, 5, 2), [(0, 0)]);
    }

    /// Windows a b c d | c d a b: tokens 2 and 3 are in both. In the first window, token 2 has two tokens
    /// before it and one after it; in the second it has none before it. For token 3 it is the reverse.
    #[test]
    fn the_best_window_of_a_token_by_hand() {
        let spec = SquadSpec { seq_len: 11, query_len: 4, stride: 2, ..Default::default() };
        let question = question("a b c d a b", None, &spec);
        let first: Vec<bool> = (0..6).map(|token| question.is_best_window(0, token)).collect();
        let second: Vec<bool> = (0..6).map(|token| question.is_best_window(1, token)).collect();
        assert_eq!(first, [true, true, true, false, false, false]);
        assert_eq!(second, [false, false, false, true, true, true]);
    }
}
