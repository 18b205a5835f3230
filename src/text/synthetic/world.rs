//! The small fixed world: its people and animals, and the facts about them.
//!
//! Nothing here depends on a seed: Anna is a baker in every corpus. [`super::facts`] turns the tables into
//! statements and questions.

use super::place::{Place, at};
use super::topics::Topic;

/// Grammatical gender, which decides the pronouns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gender {
    /// she, her, her, herself.
    Female,
    /// he, him, his, himself.
    Male,
}

impl Gender {
    /// Subject pronoun.
    pub fn subject(self) -> &'static str {
        match self {
            Self::Female => "she",
            Self::Male => "he",
        }
    }

    /// Object pronoun.
    pub fn object(self) -> &'static str {
        match self {
            Self::Female => "her",
            Self::Male => "him",
        }
    }

    /// Possessive pronoun.
    pub fn possessive(self) -> &'static str {
        match self {
            Self::Female => "her",
            Self::Male => "his",
        }
    }

    /// Reflexive pronoun.
    pub fn reflexive(self) -> &'static str {
        match self {
            Self::Female => "herself",
            Self::Male => "himself",
        }
    }

    /// The other gender.
    pub fn flipped(self) -> Self {
        match self {
            Self::Female => Self::Male,
            Self::Male => Self::Female,
        }
    }
}

/// A person and the facts about them.
#[derive(Debug, PartialEq, Eq)]
pub struct Person {
    /// First name, unique.
    pub name: &'static str,
    /// Gender, which decides the pronouns.
    pub gender: Gender,
    /// A job of one of the topics.
    pub job: &'static str,
    /// Where they live.
    pub home: &'static Place,
    /// The animal they keep, and its colour.
    pub pet: (&'static str, &'static str),
    /// The thing they own, and its colour.
    pub item: (&'static str, &'static str),
    /// Their favourite food.
    pub food: &'static str,
}

/// A kind of animal and the facts about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Animal {
    /// The noun.
    pub noun: &'static str,
    /// mammal, bird, reptile or insect.
    pub class: &'static str,
    /// Its usual colour.
    pub colour: &'static str,
    /// Where it lives.
    pub home: &'static Place,
    /// What it eats.
    pub food: &'static str,
    /// From 1 (bee) to 9 (whale), for comparisons.
    pub size: u8,
}

/// Colours.
pub const COLOURS: [&str; 9] =
    ["red", "blue", "green", "yellow", "black", "white", "brown", "grey", "orange"];

/// Where people live.
pub static HOMES: [Place; 9] = [
    at("in", "village"),
    at("in", "city"),
    at("in", "valley"),
    at("on", "island"),
    at("in", "castle"),
    at("in", "tower"),
    at("in", "farmhouse"),
    at("in", "mountains"),
    at("at", "seaside"),
];

/// Where animals live.
pub static HABITATS: [Place; 6] = [
    at("in", "woods"),
    at("in", "meadow"),
    at("in", "stable"),
    at("in", "sea"),
    at("in", "garden"),
    at("in", "desert"),
];

/// What things are made of.
pub const MATERIALS: [(&str, &str); 19] = [
    ("pot", "iron"),
    ("plate", "clay"),
    ("bowl", "clay"),
    ("jug", "glass"),
    ("boat", "wood"),
    ("raft", "wood"),
    ("canoe", "wood"),
    ("crate", "wood"),
    ("sack", "cotton"),
    ("doll", "cloth"),
    ("kite", "paper"),
    ("marble", "glass"),
    ("violin", "wood"),
    ("flute", "silver"),
    ("hammer", "iron"),
    ("drill", "steel"),
    ("ladder", "wood"),
    ("bench", "stone"),
    ("chair", "wood"),
];

const VILLAGE: &Place = &HOMES[0];
const CITY: &Place = &HOMES[1];
const VALLEY: &Place = &HOMES[2];
const ISLAND: &Place = &HOMES[3];
const CASTLE: &Place = &HOMES[4];
const TOWER: &Place = &HOMES[5];
const FARMHOUSE: &Place = &HOMES[6];
const MOUNTAINS: &Place = &HOMES[7];
const SEASIDE: &Place = &HOMES[8];

type Owned = (&'static str, &'static str);

const fn she(
    name: &'static str,
    job: &'static str,
    home: &'static Place,
    pet: Owned,
    item: Owned,
    food: &'static str,
) -> Person {
    Person { name, gender: Gender::Female, job, home, pet, item, food }
}

const fn he(
    name: &'static str,
    job: &'static str,
    home: &'static Place,
    pet: Owned,
    item: Owned,
    food: &'static str,
) -> Person {
    Person { name, gender: Gender::Male, job, home, pet, item, food }
}

/// All people: name, job, home, pet, owned thing, favourite food.
pub static PEOPLE: [Person; 28] = [
    she("anna", "baker", VILLAGE, ("dog", "brown"), ("jug", "red"), "soup"),
    he("boris", "cook", CITY, ("cat", "black"), ("plate", "blue"), "cheese"),
    she("clara", "waiter", TOWER, ("hen", "white"), ("bowl", "yellow"), "cake"),
    he("david", "chef", SEASIDE, ("goose", "grey"), ("pot", "green"), "rice"),
    she("emma", "farmer", FARMHOUSE, ("horse", "brown"), ("ladder", "green"), "bread"),
    he("felix", "shepherd", MOUNTAINS, ("goat", "white"), ("flute", "black"), "cheese"),
    she("greta", "miller", VALLEY, ("cat", "grey"), ("barrel", "red"), "pie"),
    he("hugo", "farmer", VALLEY, ("pig", "black"), ("axe", "brown"), "corn"),
    she("ida", "sailor", ISLAND, ("cat", "white"), ("boat", "orange"), "bread"),
    he("jonas", "fisherman", TOWER, ("dog", "black"), ("canoe", "red"), "soup"),
    she("klara", "captain", ISLAND, ("mouse", "grey"), ("ship", "white"), "pie"),
    he("leo", "seaman", SEASIDE, ("hen", "brown"), ("raft", "yellow"), "meat"),
    she("maria", "gardener", CASTLE, ("owl", "white"), ("bench", "green"), "honey"),
    he("nils", "hunter", MOUNTAINS, ("dog", "grey"), ("drum", "brown"), "meat"),
    she("olga", "ranger", MOUNTAINS, ("horse", "black"), ("raft", "orange"), "cake"),
    he("peter", "trapper", FARMHOUSE, ("goose", "white"), ("saw", "black"), "broth"),
    she("rosa", "teacher", VILLAGE, ("mouse", "white"), ("kite", "blue"), "rice"),
    he("simon", "student", CITY, ("dog", "white"), ("guitar", "red"), "pie"),
    she("tina", "writer", SEASIDE, ("cat", "orange"), ("desk", "white"), "soup"),
    he("victor", "teacher", VALLEY, ("goat", "grey"), ("chair", "green"), "honey"),
    she("wanda", "singer", CITY, ("owl", "brown"), ("flute", "red"), "cake"),
    he("adam", "drummer", VILLAGE, ("cat", "brown"), ("drum", "blue"), "bread"),
    she("bella", "dancer", CASTLE, ("dog", "orange"), ("piano", "white"), "cheese"),
    he("carl", "singer", TOWER, ("mouse", "black"), ("violin", "brown"), "corn"),
    she("dora", "carpenter", VILLAGE, ("hen", "black"), ("ladder", "yellow"), "broth"),
    he("erik", "painter", ISLAND, ("goat", "brown"), ("desk", "orange"), "rice"),
    she("frida", "painter", CASTLE, ("goose", "brown"), ("table", "blue"), "honey"),
    he("george", "blacksmith", FARMHOUSE, ("horse", "grey"), ("hammer", "black"), "meat"),
];

const WOODS: &Place = &HABITATS[0];
const MEADOW: &Place = &HABITATS[1];
const STABLE: &Place = &HABITATS[2];
const SEA: &Place = &HABITATS[3];
const GARDEN: &Place = &HABITATS[4];
const DESERT: &Place = &HABITATS[5];

const fn animal(
    noun: &'static str,
    class: &'static str,
    colour: &'static str,
    home: &'static Place,
    food: &'static str,
    size: u8,
) -> Animal {
    Animal { noun, class, colour, home, food, size }
}

/// All animals: noun, class, colour, habitat, food, size.
pub static ANIMALS: [Animal; 18] = [
    animal("cow", "mammal", "brown", STABLE, "grass", 7),
    animal("horse", "mammal", "brown", STABLE, "hay", 7),
    animal("goat", "mammal", "white", MEADOW, "grass", 5),
    animal("pig", "mammal", "white", STABLE, "corn", 5),
    animal("hen", "bird", "red", GARDEN, "corn", 3),
    animal("goose", "bird", "white", MEADOW, "grass", 4),
    animal("dog", "mammal", "black", GARDEN, "meat", 4),
    animal("cat", "mammal", "grey", GARDEN, "fish", 3),
    animal("mouse", "mammal", "grey", STABLE, "cheese", 2),
    animal("fox", "mammal", "red", WOODS, "meat", 4),
    animal("wolf", "mammal", "grey", WOODS, "meat", 6),
    animal("bear", "mammal", "brown", WOODS, "honey", 8),
    animal("owl", "bird", "brown", WOODS, "mice", 3),
    animal("snake", "reptile", "green", DESERT, "mice", 3),
    animal("lizard", "reptile", "yellow", DESERT, "bees", 2),
    animal("seal", "mammal", "black", SEA, "fish", 6),
    animal("whale", "mammal", "blue", SEA, "fish", 9),
    animal("bee", "insect", "yellow", MEADOW, "honey", 1),
];

/// The people whose job belongs to a topic; a test checks that every topic has some.
pub fn people_of(topic: &Topic) -> Vec<&'static Person> {
    PEOPLE.iter().filter(|person| topic.jobs.contains(&person.job)).collect()
}

/// The animal that a noun names.
pub fn animal_of(noun: &str) -> Option<&'static Animal> {
    ANIMALS.iter().find(|animal| animal.noun == noun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::synthetic::topics::{TOPICS, kind_of};

    #[test]
    fn every_topic_has_people_of_both_genders() {
        for topic in &TOPICS {
            for gender in [Gender::Female, Gender::Male] {
                assert!(people_of(topic).iter().any(|person| person.gender == gender), "{}", topic.name);
            }
        }
        let placed: usize = TOPICS.iter().map(|topic| people_of(topic).len()).sum();
        assert_eq!(placed, PEOPLE.len(), "a job belongs to no topic, or to two");
    }

    #[test]
    fn names_are_unique_and_words_are_known() {
        for (index, person) in PEOPLE.iter().enumerate() {
            assert!(PEOPLE.iter().skip(index + 1).all(|other| other.name != person.name), "{}", person.name);
            assert!(animal_of(person.pet.0).is_some(), "{}", person.pet.0);
            assert!(kind_of(person.item.0).is_some(), "{}", person.item.0);
            for colour in [person.pet.1, person.item.1] {
                assert!(COLOURS.contains(&colour), "{colour}");
            }
        }
    }
}
