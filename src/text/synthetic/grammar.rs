//! Events as sentences: noun phrases, verb groups, active and passive voice, questions and paraphrases.
//!
//! An [`Event`] is the meaning; its methods are the ways to say it. The caller decides what happens
//! ([`super::scenes`]); nothing here draws a content word except synonyms in [`Event::paraphrase`].
//! Must never: write a sentence whose verb and subject disagree, unless `agree_with` asks for it.

use crate::rng::Stream;

use super::lexicon::{Number, article, gerund, noun_in, participle, past, present, synonym};
use super::world::{Gender, Person, Place};

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

/// What a noun phrase is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// A named person.
    Person(&'static Person),
    /// A person that was named before.
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
    /// `the`, `a`, `some` …; not said with names and pronouns.
    pub determiner: &'static str,
    /// Before the noun.
    pub adjective: Option<&'static str>,
    /// After the noun: `near the mills`, `who likes bread`. It stands between a subject and its verb.
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

    /// The phrase without what can be left out.
    pub fn bare(&self) -> Self {
        Self { adjective: None, after: String::new(), ..self.clone() }
    }

    /// The same thing or person in other words.
    fn reworded(&self) -> Self {
        let head = match self.head {
            Head::Noun(noun) => Head::Noun(synonym(noun).unwrap_or(noun)),
            other => other,
        };
        let adjective = self.adjective.map(|word| synonym(word).unwrap_or(word));
        Self { head, adjective, ..self.clone() }
    }

    fn say(&self, as_object: bool, words: &mut Vec<String>) {
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
        self.say(false, &mut words);
        words.join(" ")
    }
}

/// A time, and where it was said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// `last night`.
    pub text: &'static str,
    /// Whether it opens the sentence.
    pub first: bool,
}

/// Something that happens: who does what, to whom, where and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who.
    pub subject: Phrase,
    /// Does.
    pub verb: &'static str,
    /// What.
    pub object: Option<Phrase>,
    /// Where.
    pub place: Option<&'static Place>,
    /// When.
    pub time: Option<Time>,
    /// Tense and aspect.
    pub tense: Tense,
    /// Whether it is denied.
    pub negated: bool,
    /// Whether the object is made the subject.
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
    /// The words of the sentence, without its period.
    pub fn words(&self) -> Vec<String> {
        self.words_agreeing(None)
    }

    /// The words of the sentence, whose verb agrees with the given number (`None`: with its subject's).
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
                object.say(false, &mut words);
                self.say_passive(agree_with.unwrap_or(object.number), &mut words);
                words.push("by".to_string());
                self.subject.say(true, &mut words);
            }
            (object, _) => {
                self.subject.say(false, &mut words);
                self.say_active(agree_with.unwrap_or(self.subject.number), &mut words);
                if let Some(object) = object {
                    object.say(true, &mut words);
                }
            }
        }
        self.say_rest(&mut words);
        words
    }

    /// Place and time, where they close the sentence.
    fn say_rest(&self, words: &mut Vec<String>) {
        if let Some(place) = self.place {
            words.extend([place.preposition, "the", place.noun].map(str::to_string));
        }
        if let Some(Time { text, first: false }) = self.time {
            words.extend(text.split_whitespace().map(str::to_string));
        }
    }

    /// Auxiliary (empty where the tense needs none) and the form of the verb that follows it.
    fn group(&self, number: Number) -> (&'static str, String) {
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

    /// As [`Self::group`], with `do` where the tense has no auxiliary: for negation and questions.
    fn group_with_do(&self, number: Number) -> (&'static str, String) {
        match (self.tense, number) {
            (Tense::Present, Number::One) => ("does", self.verb.to_string()),
            (Tense::Present, Number::Many) => ("do", self.verb.to_string()),
            (Tense::Past, _) => ("did", self.verb.to_string()),
            _ => self.group(number),
        }
    }

    fn say_active(&self, number: Number, words: &mut Vec<String>) {
        let (auxiliary, verb) = if self.negated { self.group_with_do(number) } else { self.group(number) };
        if !auxiliary.is_empty() {
            words.push(auxiliary.to_string());
        }
        if self.negated {
            words.push("not".to_string());
        }
        words.push(verb);
    }

    fn say_passive(&self, number: Number, words: &mut Vec<String>) {
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

    /// The sentence without its period.
    pub fn text(&self) -> String {
        self.words().join(" ")
    }

    /// The form of the verb that carries the meaning (`carrying` of `is carrying`).
    pub fn main_verb(&self) -> String {
        match (self.passive && self.object.is_some(), self.negated) {
            (true, _) => participle(self.verb),
            (false, true) => self.group_with_do(self.subject.number).1,
            (false, false) => self.group(self.subject.number).1,
        }
    }

    /// The event in at most so many words: its time, attachment, place and adjectives go, in this order.
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

    /// The event with its time, if it has one, at the end.
    pub fn time_last(self) -> Self {
        let time = self.time.map(|time| Time { first: false, ..time });
        Self { time, ..self }
    }

    /// The question for one part, and that part's words; `None` if the event does not have it.
    pub fn question(&self, asked: Asked) -> Option<(String, String)> {
        let mut words = Vec::with_capacity(12);
        let answer = match asked {
            Asked::Subject => {
                words.push("who".to_string());
                self.say_active(Number::One, &mut words);
                if let Some(object) = &self.object {
                    object.say(true, &mut words);
                }
                let rest = Self { time: None, ..self.clone() };
                rest.say_rest(&mut words);
                self.subject.text()
            }
            Asked::Object | Asked::Place => {
                let object = self.object.as_ref();
                let (auxiliary, verb) = self.group_with_do(self.subject.number);
                let (start, answer) = match asked {
                    Asked::Place => ("where", format!("the {}", self.place?.noun)),
                    _ => ("what", object?.text()),
                };
                words.extend([start, auxiliary].map(str::to_string));
                self.subject.bare().say(false, &mut words);
                words.push(verb);
                match (asked, object, self.place) {
                    (Asked::Place, Some(object), _) => object.say(true, &mut words),
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

    /// The same meaning in other words: synonyms, the other voice, the time at the other end.
    pub fn paraphrase(&self, stream: &mut Stream) -> Self {
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

    /// The event with its adjectives, attachments, place and time left out: what the sentence entails.
    pub fn core(&self) -> Self {
        Self {
            subject: self.subject.bare(),
            object: self.object.as_ref().map(Phrase::bare),
            place: None,
            time: None,
            ..self.clone()
        }
    }

    /// Subject and object in each other's place.
    pub fn swapped(&self) -> Self {
        match &self.object {
            Some(object) => {
                Self { subject: object.clone(), object: Some(self.subject.clone()), ..self.clone() }
            }
            None => self.clone(),
        }
    }
}

/// Joins words and closes the sentence.
pub fn sentence(words: &[String]) -> String {
    let mut text = words.join(" ");
    text.push('.');
    text
}

#[cfg(test)]
mod tests;
