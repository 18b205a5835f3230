//! Events as sentences: noun phrases, verb groups, active and passive voice, questions and paraphrases.
//!
//! An [`Event`] is the meaning; its methods express it in words. [`super::scenes`] decides what happens;
//! nothing here draws a content word, except synonyms in [`Event::paraphrase`]. Must never: write a sentence
//! whose verb and subject disagree, except for `agree_with`.

use super::draws::Draws;

use super::lexicon::{Number, article, gerund, noun_in, participle, past, present, synonym};
use super::place::Place;
use super::world::{Gender, Person};

/// Tense and aspect of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tense {
    /// carries
    Present,
    /// carried
    Past,
    /// has carried
    Perfect,
    /// is carrying
    Progressive,
    /// will carry
    Future,
}

/// The head of a noun phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// A named person.
    Person(&'static Person),
    /// A person who was named before.
    Pronoun(Gender),
    /// A common noun.
    Noun(&'static str),
}

/// A noun phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// Name, pronoun or noun.
    pub head: Head,
    /// One or many.
    pub number: Number,
    /// `the`, `a`, `some` …; empty for names and pronouns.
    pub determiner: &'static str,
    /// Adjective before the noun.
    pub adjective: Option<&'static str>,
    /// Words after the noun, between a subject and its verb: `near the mills`, `who likes bread`.
    pub after: String,
}

impl Phrase {
    /// A named person.
    pub fn person(person: &'static Person) -> Self {
        Self {
            head: Head::Person(person),
            number: Number::One,
            determiner: "",
            adjective: None,
            after: String::new(),
        }
    }

    /// The pronoun of a gender.
    pub fn pronoun(gender: Gender) -> Self {
        Self {
            head: Head::Pronoun(gender),
            number: Number::One,
            determiner: "",
            adjective: None,
            after: String::new(),
        }
    }

    /// `the` noun.
    pub fn noun(noun: &'static str, number: Number) -> Self {
        Self { head: Head::Noun(noun), number, determiner: "the", adjective: None, after: String::new() }
    }

    /// The phrase without its adjective and the words after the noun.
    pub fn bare(&self) -> Self {
        Self { adjective: None, after: String::new(), ..self.clone() }
    }

    /// The same thing or person in other words: with synonyms.
    fn reworded(&self) -> Self {
        let head = match self.head {
            Head::Noun(noun) => Head::Noun(synonym(noun).unwrap_or(noun)),
            other => other,
        };
        let adjective = self.adjective.map(|word| synonym(word).unwrap_or(word));
        Self { head, adjective, ..self.clone() }
    }

    fn write(&self, as_object: bool, words: &mut Vec<String>) {
        match self.head {
            Head::Person(person) => words.push(person.name.to_string()),
            Head::Pronoun(gender) if as_object => words.push(gender.object().to_string()),
            Head::Pronoun(gender) => words.push(gender.subject().to_string()),
            Head::Noun(noun) => {
                let noun = noun_in(noun, self.number);
                let next = self.adjective.unwrap_or(&noun);
                let determiner = if self.determiner == "a" { article(next) } else { self.determiner };
                words.push(determiner.to_string());
                words.extend(self.adjective.map(str::to_string));
                words.push(noun);
            }
        }
        words.extend(self.after.split_whitespace().map(str::to_string));
    }

    /// The phrase as a subject.
    pub fn text(&self) -> String {
        let mut words = Vec::new();
        self.write(false, &mut words);
        words.join(" ")
    }
}

/// A time, and its place in the sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// `last night`.
    pub text: &'static str,
    /// Whether it begins the sentence.
    pub first: bool,
}

/// Something that happens: who does what, to whom, where and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who acts.
    pub subject: Phrase,
    /// The base form of the verb.
    pub verb: &'static str,
    /// To whom or what.
    pub object: Option<Phrase>,
    /// Where.
    pub place: Option<&'static Place>,
    /// When.
    pub time: Option<Time>,
    /// Tense and aspect.
    pub tense: Tense,
    /// Whether the event is negated.
    pub negated: bool,
    /// Whether the sentence is in the passive voice.
    pub passive: bool,
}

/// The part of an event that a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Who did it?
    Subject,
    /// What was it done to?
    Object,
    /// Where?
    Place,
}

impl Event {
    /// The words of the sentence, without the period.
    pub fn words(&self) -> Vec<String> {
        self.words_agreeing(None)
    }

    /// The words of the sentence; the verb agrees with `agree_with`, or with its subject if that is `None`.
    pub fn words_agreeing(&self, agree_with: Option<Number>) -> Vec<String> {
        let mut words = Vec::with_capacity(16);
        if let Some(Time { text, first: true }) = self.time {
            words.extend(text.split_whitespace().map(str::to_string));
            if let Some(last) = words.last_mut() {
                last.push(',');
            }
        }
        match (&self.object, self.passive) {
            (Some(object), true) => {
                object.write(false, &mut words);
                self.write_passive(agree_with.unwrap_or(object.number), &mut words);
                words.push("by".to_string());
                self.subject.write(true, &mut words);
            }
            (object, _) => {
                self.subject.write(false, &mut words);
                self.write_active(agree_with.unwrap_or(self.subject.number), &mut words);
                if let Some(object) = object {
                    object.write(true, &mut words);
                }
            }
        }
        self.write_rest(&mut words);
        words
    }

    /// Writes the place, and the time if it is at the end.
    fn write_rest(&self, words: &mut Vec<String>) {
        if let Some(place) = self.place {
            words.extend([place.preposition, "the", place.noun].map(str::to_string));
        }
        if let Some(Time { text, first: false }) = self.time {
            words.extend(text.split_whitespace().map(str::to_string));
        }
    }

    /// The auxiliary verb (empty if the tense needs none) and the form of the main verb.
    fn verb_group(&self, number: Number) -> (&'static str, String) {
        let verb = self.verb;
        match (self.tense, number) {
            (Tense::Present, _) => ("", present(verb, number)),
            (Tense::Past, _) => ("", past(verb)),
            (Tense::Perfect, Number::One) => ("has", participle(verb)),
            (Tense::Perfect, Number::Many) => ("have", participle(verb)),
            (Tense::Progressive, Number::One) => ("is", gerund(verb)),
            (Tense::Progressive, Number::Many) => ("are", gerund(verb)),
            (Tense::Future, _) => ("will", verb.to_string()),
        }
    }

    /// Like [`Self::verb_group`], but with `do` if the tense has no auxiliary; for negation and questions.
    fn verb_group_with_do(&self, number: Number) -> (&'static str, String) {
        match (self.tense, number) {
            (Tense::Present, Number::One) => ("does", self.verb.to_string()),
            (Tense::Present, Number::Many) => ("do", self.verb.to_string()),
            (Tense::Past, _) => ("did", self.verb.to_string()),
            _ => self.verb_group(number),
        }
    }

    fn write_active(&self, number: Number, words: &mut Vec<String>) {
        let (auxiliary, verb) =
            if self.negated { self.verb_group_with_do(number) } else { self.verb_group(number) };
        if !auxiliary.is_empty() {
            words.push(auxiliary.to_string());
        }
        if self.negated {
            words.push("not".to_string());
        }
        words.push(verb);
    }

    fn write_passive(&self, number: Number, words: &mut Vec<String>) {
        let one = number == Number::One;
        let (auxiliary, more) = match self.tense {
            Tense::Present => (if one { "is" } else { "are" }, ""),
            Tense::Past => (if one { "was" } else { "were" }, ""),
            Tense::Perfect => (if one { "has" } else { "have" }, "been"),
            Tense::Progressive => (if one { "is" } else { "are" }, "being"),
            Tense::Future => ("will", "be"),
        };
        words.push(auxiliary.to_string());
        if self.negated {
            words.push("not".to_string());
        }
        if !more.is_empty() {
            words.push(more.to_string());
        }
        words.push(participle(self.verb));
    }

    /// The sentence without the period.
    pub fn text(&self) -> String {
        self.words().join(" ")
    }

    /// The form of the main verb (`carrying` in `is carrying`).
    pub fn main_verb(&self) -> String {
        match (self.passive && self.object.is_some(), self.negated) {
            (true, _) => participle(self.verb),
            (false, true) => self.verb_group_with_do(self.subject.number).1,
            (false, false) => self.verb_group(self.subject.number).1,
        }
    }

    /// Shortens the event to at most `max_words` words; drops its time, the words after its nouns, its place
    /// and its adjectives, in this order.
    pub fn within(mut self, max_words: usize) -> Self {
        for step in 0..5 {
            if self.words().len() <= max_words {
                break;
            }
            match step {
                0 => self.time = None,
                1 => self.subject.after.clear(),
                2 => self.object = self.object.map(|object| Phrase { after: String::new(), ..object }),
                3 => self.place = None,
                _ => self = Self { subject: self.subject.bare(), ..self },
            }
        }
        self
    }

    /// The event with its time at the end of the sentence.
    pub fn time_last(self) -> Self {
        let time = self.time.map(|time| Time { first: false, ..time });
        Self { time, ..self }
    }

    /// The question for one part of the event, and its answer; `None` if the event does not have that part.
    pub fn question(&self, asked: Asked) -> Option<(String, String)> {
        let mut words = Vec::with_capacity(12);
        let answer = match asked {
            Asked::Subject => {
                words.push("who".to_string());
                self.write_active(Number::One, &mut words);
                if let Some(object) = &self.object {
                    object.write(true, &mut words);
                }
                let rest = Self { time: None, ..self.clone() };
                rest.write_rest(&mut words);
                self.subject.text()
            }
            Asked::Object | Asked::Place => {
                let object = self.object.as_ref();
                let (auxiliary, verb) = self.verb_group_with_do(self.subject.number);
                let (start, answer) = match asked {
                    Asked::Place => ("where", format!("the {}", self.place?.noun)),
                    _ => ("what", object?.text()),
                };
                words.extend([start, auxiliary].map(str::to_string));
                self.subject.bare().write(false, &mut words);
                words.push(verb);
                match (asked, object, self.place) {
                    (Asked::Place, Some(object), _) => object.write(true, &mut words),
                    (Asked::Object, _, Some(place)) => {
                        words.extend([place.preposition, "the", place.noun].map(str::to_string));
                    }
                    _ => {}
                }
                answer
            }
        };
        Some((format!("{}?", words.join(" ")), answer))
    }

    /// The same meaning in other words: draws synonyms, the other voice, and the time at the other end.
    pub fn paraphrase(&self, stream: &mut Draws) -> Self {
        let mut other = self.clone();
        if stream.chance(0.7) {
            other.verb = synonym(self.verb).unwrap_or(self.verb);
        }
        if stream.chance(0.7) {
            other.object = self.object.as_ref().map(Phrase::reworded);
        }
        if stream.chance(0.7) {
            other.subject = self.subject.reworded();
        }
        if self.object.is_some() && stream.chance(0.5) {
            other.passive = !self.passive;
        }
        if stream.chance(0.5) {
            other.time = self.time.map(|time| Time { first: !time.first, ..time });
        }
        other
    }

    /// The event without adjectives, words after its nouns, place and time: it follows from the sentence.
    pub fn core(&self) -> Self {
        Self {
            subject: self.subject.bare(),
            object: self.object.as_ref().map(Phrase::bare),
            place: None,
            time: None,
            ..self.clone()
        }
    }

    /// The event with its subject and object exchanged.
    pub fn swapped(&self) -> Self {
        match &self.object {
            Some(object) => {
                Self { subject: object.clone(), object: Some(self.subject.clone()), ..self.clone() }
            }
            None => self.clone(),
        }
    }
}

/// Joins words and adds the period.
pub fn sentence(words: &[String]) -> String {
    let mut text = words.join(" ");
    text.push('.');
    text
}

#[cfg(test)]
mod tests;
