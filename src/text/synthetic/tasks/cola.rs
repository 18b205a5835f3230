//! CoLA, acceptability: sentences of the grammar (label 1), and sentences that break one of its rules
//! (label 0).

use crate::text::synthetic::draws::Draws;

use super::example::TaskExample;
use crate::text::synthetic::grammar::{Event, Head, Phrase, Tense, sentence};
use crate::text::synthetic::lexicon::{Number, REFLEXIVE_VERBS, gerund, is_mass, past, pick};
use crate::text::synthetic::scenes::{any_topic, anyone, event, time_for};
use crate::text::synthetic::topics::Topic;

/// Share of acceptable sentences.
const ACCEPTABLE: f64 = 0.6;

pub fn draw(stream: &mut Draws) -> TaskExample {
    let topic = any_topic(stream);
    let acceptable = stream.chance(ACCEPTABLE);
    loop {
        let subject = anyone(stream, topic);
        let words = if stream.chance(0.15) {
            Some(reflexive(stream, topic, &subject, acceptable))
        } else {
            let event = event(stream, topic, subject);
            if acceptable { Some(event.words()) } else { broken(stream, &event) }
        };
        if let Some(words) = words {
            return TaskExample::single(sentence(&words), acceptable);
        }
    }
}

/// `the nurse blamed herself at the clinic yesterday`, or with a pronoun that does not fit.
fn reflexive(stream: &mut Draws, topic: &'static Topic, subject: &Phrase, acceptable: bool) -> Vec<String> {
    let pronoun = match (subject.head, subject.number, acceptable) {
        (Head::Person(person), _, true) => person.gender.reflexive(),
        (Head::Person(person), _, false) if stream.chance(0.5) => person.gender.flipped().reflexive(),
        (Head::Person(_), _, false) | (_, Number::Many, true) => "themselves",
        (_, Number::Many, false) | (_, _, true) => pick(stream, &["himself", "herself"]),
        (_, Number::One, false) => "themselves",
    };
    let subject = Phrase { after: String::new(), ..subject.clone() };
    let text = format!("{} {} {pronoun}", subject.text(), past(pick(stream, &REFLEXIVE_VERBS)));
    let mut words: Vec<String> = text.split_whitespace().map(str::to_string).collect();
    if let Some(place) = topic.places.get(stream.below(topic.places.len())) {
        words.extend(place.phrase().split_whitespace().map(str::to_string));
    }
    if stream.chance(0.5) {
        words.extend(time_for(stream, Tense::Past).text.split_whitespace().map(str::to_string));
    }
    words
}

/// Draws a rule and breaks it; `None` if the rule does not apply to the event.
fn broken(stream: &mut Draws, event: &Event) -> Option<Vec<String>> {
    let words = event.words();
    let broken = match stream.below(10) {
        0..=2 => wrong_agreement(event),
        3 | 4 => wrong_verb_form(stream, event)?,
        5 | 6 => wrong_order(stream, event, words.clone())?,
        7 => wrong_determiner(event)?.words(),
        8 => without_determiner(event, words.clone())?,
        _ => doubled(stream, words.clone()),
    };
    (broken != words).then_some(broken)
}

fn wrong_agreement(event: &Event) -> Vec<String> {
    let subject = match &event.object {
        Some(object) if event.passive => object.number,
        _ => event.subject.number,
    };
    event.words_agreeing(Some(subject.flipped()))
}

/// `is carry`, `has carrying`, `will carried`, `did carried`.
fn wrong_verb_form(stream: &mut Draws, event: &Event) -> Option<Vec<String>> {
    let mut words = event.words();
    let form = event.main_verb();
    let at = words.iter().position(|word| *word == form)?;
    let wrong = match event.tense {
        Tense::Progressive => event.verb.to_string(),
        Tense::Future if stream.chance(0.5) => past(event.verb),
        Tense::Past if !event.negated && !event.passive && stream.chance(0.5) => {
            words.insert(at, "does".to_string());
            return Some(words);
        }
        _ => gerund(event.verb),
    };
    *words.get_mut(at)? = wrong;
    Some(words)
}

/// Puts a determiner after the next word, or the verb at the end.
fn wrong_order(stream: &mut Draws, event: &Event, mut words: Vec<String>) -> Option<Vec<String>> {
    if stream.chance(0.5) {
        let at = determiner_positions(&words);
        let at = *stream.choose(&at)?;
        words.swap(at, at + 1);
    } else {
        let form = event.main_verb();
        let at = words.iter().position(|word| *word == form)?;
        let verb = words.remove(at);
        if at == words.len() {
            return None;
        }
        words.push(verb);
    }
    Some(words)
}

/// Positions of determiners with a word after them.
fn determiner_positions(words: &[String]) -> Vec<usize> {
    let is_determiner = |word: &str| ["the", "a", "an", "this", "these", "those"].contains(&word);
    let places = words.iter().enumerate().take(words.len().saturating_sub(1));
    places.filter(|(_, word)| is_determiner(word)).map(|(at, _)| at).collect()
}

/// `these baker`, `a nurses`.
fn wrong_determiner(event: &Event) -> Option<Event> {
    let flip = |phrase: &Phrase| -> Option<Phrase> {
        let Head::Noun(noun) = phrase.head else { return None };
        let determiner = match phrase.determiner {
            _ if is_mass(noun) => return None,
            "this" => "these",
            "that" => "those",
            "a" | "one" => "two",
            "every" => "many",
            "these" => "this",
            "those" => "that",
            "two" => "a",
            "many" => "every",
            _ => return None,
        };
        Some(Phrase { determiner, ..phrase.clone() })
    };
    if let Some(subject) = flip(&event.subject) {
        return Some(Event { subject, ..event.clone() });
    }
    let object = event.object.as_ref().and_then(flip)?;
    Some(Event { object: Some(object), ..event.clone() })
}

/// Removes the determiner of a singular noun that needs one.
fn without_determiner(event: &Event, mut words: Vec<String>) -> Option<Vec<String>> {
    let phrases = event.object.iter().chain([&event.subject]);
    let needy =
        phrases.filter(|phrase| phrase.number == Number::One).find_map(|phrase| match phrase.head {
            Head::Noun(noun) if !is_mass(noun) => Some(noun),
            _ => None,
        })?;
    let noun = words.iter().position(|word| word.trim_end_matches(',') == needy)?;
    let at = noun.checked_sub(1)?;
    let determiners = ["the", "a", "an", "this", "that", "one", "every"];
    determiners.contains(&words.get(at)?.as_str()).then(|| words.remove(at))?;
    Some(words)
}

/// Repeats one word.
fn doubled(stream: &mut Draws, mut words: Vec<String>) -> Vec<String> {
    let at = stream.below(words.len());
    if let Some(word) = words.get(at).cloned() {
        words.insert(at, word.trim_end_matches(',').to_string());
    }
    words
}
