//! Documents: 4 to 12 sentences with one topic, one mood and a few people.
//!
//! One person is in focus, and every pronoun refers to them: a pronoun is used only if the sentence before
//! names nobody else of that gender. Facts come from the world, so they are the same in every document.
//! Events are made up, may be described twice in different words, and may be asked about.

use super::draws::Draws;
use crate::rng::Purpose;

use super::facts::{Fact, OF_PEOPLE, Relation};
use super::grammar::{Asked, Event, Phrase, Tense, sentence};
use super::lexicon::{INTRANSITIVE_VERBS, Number, REFLEXIVE_VERBS, article, past, pick};
use super::scenes::{any_person, any_topic, anyone, company, event, social_event, thing_event, worker};
use super::sentiment::{Mood, opinion};
use super::topics::{Topic, kind_of};
use super::world::{ANIMALS, Person, animal_of};

const HEARSAY: [&str; 4] = ["everybody knows that", "people say that", "it is true that", "we heard that"];
/// Most sentences of a document.
const MAX_SENTENCES: usize = 12;
/// Most words of an event after an opener of up to four words.
const MAX_WORDS_AFTER_OPENER: usize = 12;
const RESTATEMENT: [&str; 3] = ["in other words,", "that is,", "this means that"];

/// The sentences of document `index` of the language with this seed.
pub fn document(seed: u64, index: u64) -> Vec<String> {
    write(Draws::new(seed, Purpose::Language, 0, index)).0
}

/// Writes a document by these draws, which are returned with their record.
pub fn write(mut stream: Draws) -> (Vec<String>, Draws) {
    let topic = any_topic(&mut stream);
    let mood = if stream.chance(0.5) { Mood::Good } else { Mood::Bad };
    let focus = any_person(&mut stream, topic);
    let min_sentences = 4 + stream.below(MAX_SENTENCES - 4);
    let mut story = Story { stream, topic, mood, focus, is_clear: false, lines: Vec::with_capacity(12) };
    story.introduce();
    while story.lines.len() < min_sentences {
        story.add_sentences();
    }
    (story.lines, story.stream)
}

struct Story {
    stream: Draws,
    topic: &'static Topic,
    mood: Mood,
    focus: &'static Person,
    /// Whether a pronoun in the next sentence would refer to the person in focus.
    is_clear: bool,
    lines: Vec<String>,
}

impl Story {
    fn push_sentence(&mut self, text: String) {
        self.push_line(text + ".");
    }

    fn push_line(&mut self, line: String) {
        self.lines.push(line);
        self.stream.begin_line(self.lines.len());
    }

    fn add_sentences(&mut self) {
        match self.stream.below(100) {
            0..=17 => self.tell_fact(),
            18..=37 => self.tell_event(),
            38..=49 => self.tell_twice(),
            50..=57 => self.ask_fact(),
            58..=63 => self.ask_event(),
            64..=70 => self.tell_of_animals(),
            71..=74 => self.tell_of_things(),
            75 => self.tell_of_company(),
            76..=88 => self.judge(),
            89..=91 => self.reflect(),
            92..=95 => self.meet(),
            _ => self.infer(),
        }
    }

    /// Draws whether the next sentence uses a pronoun for the person in focus.
    fn draws_pronoun(&mut self) -> bool {
        self.is_clear && self.stream.chance(0.65)
    }

    fn focus_phrase(&mut self) -> Phrase {
        if self.draws_pronoun() { Phrase::pronoun(self.focus.gender) } else { Phrase::person(self.focus) }
    }

    fn focus_word(&mut self) -> &'static str {
        if self.draws_pronoun() { self.focus.gender.subject() } else { self.focus.name }
    }

    fn introduce(&mut self) {
        let job = Fact::of_person(self.focus, Relation::Job).statement(&mut self.stream, false);
        let home = Fact::of_person(self.focus, Relation::Home).statement(&mut self.stream, true);
        let name = self.focus.name;
        match job.strip_prefix(name) {
            Some(works) if self.stream.chance(0.4) => {
                self.push_sentence(format!("{name}, who lives {},{works}", self.focus.home.phrase()));
            }
            _ => self.push_sentence(format!("{job}, and {home}")),
        }
        self.is_clear = true;
    }

    fn tell_fact(&mut self) {
        let relation = pick(&mut self.stream, &OF_PEOPLE);
        let pronoun = self.draws_pronoun();
        let fact = Fact::of_person(self.focus, relation).statement(&mut self.stream, pronoun);
        if self.stream.chance(0.2) {
            let said = pick(&mut self.stream, &HEARSAY);
            self.push_sentence(format!("{said} {fact}"));
        } else {
            self.push_sentence(fact);
        }
        self.is_clear = true;
    }

    /// Adds an event. After it, a pronoun is clear if the person in focus acts and nobody else is named.
    fn push_event(&mut self, event: &Event, by_focus: bool, before: &str) {
        let text = event.text();
        self.push_sentence(if before.is_empty() { text } else { format!("{before} {text}") });
        let alone = event.object.as_ref().is_none_or(|object| !object.determiner.is_empty());
        self.is_clear = by_focus && alone;
    }

    fn tell_event(&mut self) {
        let by_focus = self.stream.chance(0.6);
        let subject = if by_focus { self.focus_phrase() } else { worker(&mut self.stream, self.topic) };
        let mut event = event(&mut self.stream, self.topic, subject);
        let before = match self.stream.below(8) {
            0 => pick(&mut self.stream, self.mood.words().openers).to_string() + ",",
            1 => pick(&mut self.stream, &HEARSAY).to_string(),
            2 => return self.tell_two_events(event, by_focus),
            _ => String::new(),
        };
        if !before.is_empty() {
            event = event.within(MAX_WORDS_AFTER_OPENER).time_last();
        }
        self.push_event(&event, by_focus, &before);
        let many =
            event.subject.number == Number::Many && event.tense == Tense::Past && event.object.is_some();
        if many && self.lines.len() < MAX_SENTENCES && self.stream.chance(0.5) {
            self.follow_up();
        }
    }

    /// `anna washed the pot while the cook slept`.
    fn tell_two_events(&mut self, event: Event, by_focus: bool) {
        let first = Event { place: None, time: None, ..event }.within(9);
        let verb = pick(&mut self.stream, &INTRANSITIVE_VERBS);
        let second = Event {
            subject: worker(&mut self.stream, self.topic).bare(),
            verb,
            object: None,
            negated: false,
            passive: false,
            ..first.clone()
        };
        let joint = pick(&mut self.stream, &["while", "because", "and", "when"]);
        self.push_sentence(format!("{} {joint} {}", first.text(), second.text()));
        self.is_clear = by_focus && first.object.as_ref().is_none_or(|object| !object.determiner.is_empty());
    }

    /// `then they rested together at the inn`, about the people of the sentence before.
    fn follow_up(&mut self) {
        let verb = past(pick(&mut self.stream, &INTRANSITIVE_VERBS));
        let place = self.place();
        self.push_sentence(format!("then they {verb} together {place}"));
        self.is_clear = false;
    }

    fn place(&mut self) -> String {
        self.topic.places[self.stream.below(4)].phrase()
    }

    /// An event, described twice in different words.
    fn tell_twice(&mut self) {
        let by_focus = self.stream.chance(0.5);
        let subject =
            if by_focus { Phrase::person(self.focus) } else { worker(&mut self.stream, self.topic) };
        let mut event = thing_event(&mut self.stream, self.topic, subject);
        event = event.within(MAX_WORDS_AFTER_OPENER);
        self.push_event(&event, by_focus, "");
        let again = event.paraphrase(&mut self.stream).time_last().within(MAX_WORDS_AFTER_OPENER);
        let before = pick(&mut self.stream, &RESTATEMENT);
        self.push_event(&again, by_focus, before);
    }

    fn ask_fact(&mut self) {
        let relation = pick(&mut self.stream, &OF_PEOPLE);
        let fact = Fact::of_person(self.focus, relation);
        let question = fact.question(&mut self.stream);
        self.push_line(question);
        let pronoun = self.stream.chance(0.5);
        let answer = fact.statement(&mut self.stream, pronoun);
        self.push_sentence(answer);
        self.is_clear = true;
    }

    fn ask_event(&mut self) {
        let subject = anyone(&mut self.stream, self.topic);
        let event = thing_event(&mut self.stream, self.topic, subject);
        let event = Event { negated: false, passive: false, ..event };
        let asked = pick(&mut self.stream, &[Asked::Subject, Asked::Object, Asked::Place]);
        if let Some((question, _)) = event.question(asked) {
            self.push_line(question);
        }
        self.push_event(&event, false, "");
    }

    fn tell_of_animals(&mut self) {
        let of_topic = self.topic.kinds.iter().flat_map(|kind| kind.nouns).filter_map(|noun| animal_of(noun));
        let mut animals: Vec<_> = of_topic.collect();
        animals.extend(animal_of(self.focus.pet.0));
        animals.extend(ANIMALS.get(self.stream.below(ANIMALS.len())));
        let animal = pick(&mut self.stream, &animals);
        let other = &ANIMALS[self.stream.below(ANIMALS.len())];
        if animal.size != other.size && self.stream.chance(0.3) {
            let (one, two) = (animal.noun, other.noun);
            let how = if animal.size > other.size { "bigger" } else { "smaller" };
            self.push_sentence(format!("{} {one} is {how} than {} {two}", article(one), article(two)));
        } else {
            let relation = pick(&mut self.stream, &super::facts::OF_ANIMALS);
            let fact = Fact::of_animal(animal, relation).statement(&mut self.stream, false);
            self.push_sentence(fact);
        }
        self.is_clear = false;
    }

    fn tell_of_things(&mut self) {
        let fact = Fact::any_of_things(&mut self.stream, self.topic).statement(&mut self.stream, false);
        self.push_sentence(fact);
        self.is_clear = false;
    }

    /// `there were many boats and sacks at the harbour`.
    fn tell_of_company(&mut self) {
        let (one, other) = company(&mut self.stream, self.topic);
        let place = self.place();
        self.push_sentence(format!("there were many {one} and {other} {place}"));
        self.is_clear = false;
    }

    fn judge(&mut self) {
        let who = match self.stream.below(4) {
            0 => pick(&mut self.stream, &["i", "we", "everybody"]),
            _ => self.focus_word(),
        };
        let negated = self.stream.chance(0.2);
        let text = opinion(&mut self.stream, self.mood, self.topic, who, negated);
        self.is_clear = who == self.focus.gender.subject() || who == self.focus.name && text.starts_with(who);
        self.push_sentence(text);
    }

    fn reflect(&mut self) {
        let verb = past(pick(&mut self.stream, &REFLEXIVE_VERBS));
        let place = self.place();
        if self.stream.chance(0.4) {
            let workers = worker(&mut self.stream, self.topic).bare();
            let workers = Phrase { number: Number::Many, determiner: "the", ..workers };
            self.push_sentence(format!("{} {verb} themselves {place}", workers.text()));
            self.is_clear = false;
        } else {
            let who = self.focus_word();
            self.push_sentence(format!("{who} {verb} {} {place}", self.focus.gender.reflexive()));
            self.is_clear = true;
        }
    }

    /// The person in focus meets somebody of the other gender, who is in focus afterwards half of the time.
    fn meet(&mut self) {
        let other = loop {
            let other = any_person(&mut self.stream, self.topic);
            if other.gender != self.focus.gender {
                break other;
            }
        };
        let subject = self.focus_phrase();
        let met = social_event(&mut self.stream, self.topic, subject);
        let object = Some(Phrase::person(other));
        let place = self.topic.places.get(self.stream.below(self.topic.places.len()));
        let met =
            Event { object, place, tense: Tense::Past, time: None, negated: false, passive: false, ..met };
        self.push_line(sentence(&met.words()));
        self.is_clear = true;
        if self.stream.chance(0.5) {
            self.focus = other;
        }
    }

    /// `anna has a dog, so she has an animal`.
    fn infer(&mut self) {
        let who = self.focus_word();
        let pronoun = self.focus.gender.subject();
        let noun = if self.stream.chance(0.5) { self.focus.pet.0 } else { self.focus.item.0 };
        let class = kind_of(noun).map_or("animal", |kind| kind.name);
        // `furniture` has no plural and no article.
        let class = match class {
            "furniture" => class.to_string(),
            _ => format!("{} {class}", article(class)),
        };
        self.push_sentence(format!("{who} has {} {noun}, so {pronoun} has {class}", article(noun)));
        self.is_clear = true;
    }
}
