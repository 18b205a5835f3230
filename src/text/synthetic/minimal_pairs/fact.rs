//! Facts of the world, true and false: the false value is another subject's true one.

use crate::rng::Stream;

use super::{Contrast, Couple};
use crate::text::synthetic::facts::{Fact, OF_ANIMALS, OF_PEOPLE};
use crate::text::synthetic::lexicon::{article, synonym};
use crate::text::synthetic::scenes::any_topic;
use crate::text::synthetic::world::{ANIMALS, PEOPLE};

/// `anna works as a baker | sailor`, `ida works as a sailor | baker`.
pub fn of_people(stream: &mut Stream) -> Option<Couple> {
    let relation = OF_PEOPLE[stream.below(OF_PEOPLE.len())];
    let mut fact = || Fact::of_person(&PEOPLE[stream.below(PEOPLE.len())], relation);
    let (one, other) = (fact(), fact());
    couple(stream, one, other)
}

/// `every fox is a mammal | bird`, `the pot is made of iron | clay`, `a bee is smaller | bigger than a fox`.
pub fn of_animals_and_things(stream: &mut Stream) -> Option<Couple> {
    match stream.below(3) {
        0 => {
            let relation = OF_ANIMALS[stream.below(OF_ANIMALS.len())];
            let mut fact = || Fact::of_animal(&ANIMALS[stream.below(ANIMALS.len())], relation);
            let (one, other) = (fact(), fact());
            couple(stream, one, other)
        }
        1 => {
            let mut fact = || {
                let topic = any_topic(stream);
                Fact::any_of_things(stream, topic)
            };
            let (one, other) = (fact(), fact());
            couple(stream, one, other)
        }
        _ => comparison(stream),
    }
}

/// Two facts of one relation, each beside a false one with the other's value, in the same words.
fn couple(stream: &mut Stream, one: Fact, other: Fact) -> Option<Couple> {
    if one.relation != other.relation || one.value == other.value || synonym(one.value) == Some(other.value) {
        return None;
    }
    let told = |fact: Fact, value| Fact { value, ..fact }.statement(&mut stream.clone(), false);
    let contrast =
        |fact: Fact, wrong: Fact| Contrast::of_text(&told(fact, fact.value), &told(fact, wrong.value));
    Some([contrast(one, other)?, contrast(other, one)?])
}

/// `a bear is bigger | smaller than a mouse`, `a mouse is smaller | bigger than a bear`.
fn comparison(stream: &mut Stream) -> Option<Couple> {
    let [one, other] = [&ANIMALS[stream.below(ANIMALS.len())], &ANIMALS[stream.below(ANIMALS.len())]];
    let (big, small) = match one.size.cmp(&other.size) {
        std::cmp::Ordering::Equal => return None,
        std::cmp::Ordering::Greater => (one.noun, other.noun),
        std::cmp::Ordering::Less => (other.noun, one.noun),
    };
    let told = |one: &str, how: &str, two: &str| {
        format!("{} {one} is {how} than {} {two}", article(one), article(two))
    };
    Some([
        Contrast::of_text(&told(big, "bigger", small), &told(big, "smaller", small))?,
        Contrast::of_text(&told(small, "smaller", big), &told(small, "bigger", big))?,
    ])
}
