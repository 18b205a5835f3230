//! Facts of the world as sentences: statements, with a name or a pronoun, and questions.
//!
//! The templates are the whole grammar of facts. Their slots: `{s}` the subject (`anna`, `she`, `fox`), `{n}`
//! its name, never a pronoun, `{p}` its possessive, `{o}` its possessive pronoun, `{m}` its plural, `{x}` its
//! article; `{v}` the value, `{a}` its article, `{i}` its preposition if it is a place; `{t}` the pet or the
//! thing whose colour the fact gives.

use super::draws::Draws;

use super::lexicon::{article, is_mass, pick, plural, synonym};
use super::topics::{TOPICS, Topic, kind_of};
use super::world::{ANIMALS, Animal, COLOURS, HABITATS, HOMES, MATERIALS, PEOPLE, Person};

/// The subject of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A person.
    Person(&'static Person),
    /// A kind of animal.
    Animal(&'static Animal),
    /// A kind of thing, by its noun.
    Thing(&'static str),
}

/// The relation between the subject of a fact and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// A person's job.
    Job,
    /// Where a person lives.
    Home,
    /// The animal a person keeps.
    Pet,
    /// Its colour.
    PetColour,
    /// The thing a person owns.
    Item,
    /// Its colour.
    ItemColour,
    /// What a person likes to eat.
    Food,
    /// The class of an animal: mammal, bird, …
    Class,
    /// Its colour.
    Colour,
    /// Where it lives.
    Habitat,
    /// What it eats.
    Diet,
    /// The kind of a thing.
    Kind,
    /// What it is made of.
    Material,
}

/// A claim about the world; false if its value is not the one in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The person, animal or thing.
    pub subject: Subject,
    /// The relation.
    pub relation: Relation,
    /// The value: a word, without article or preposition.
    pub value: &'static str,
}

/// The relations of every person.
pub const OF_PEOPLE: [Relation; 7] = [
    Relation::Job,
    Relation::Home,
    Relation::Pet,
    Relation::PetColour,
    Relation::Item,
    Relation::ItemColour,
    Relation::Food,
];

/// The relations of every animal.
pub const OF_ANIMALS: [Relation; 4] = [Relation::Class, Relation::Colour, Relation::Habitat, Relation::Diet];

struct Templates {
    statements: [&'static str; 3],
    questions: [&'static str; 2],
}

impl Relation {
    fn templates(self) -> Templates {
        let (statements, questions) = match self {
            Self::Job => (
                ["{s} works as {a} {v}", "{s} is {a} {v} by trade", "{s} became {a} {v} long ago"],
                ["what does {s} work as ?", "what is the job of {n} ?"],
            ),
            Self::Home => (
                ["{s} lives {i} the {v}", "{p} home is {i} the {v}", "{p} house stands {i} the {v}"],
                ["where does {s} live ?", "where is the house of {n} ?"],
            ),
            Self::Pet => (
                ["{s} has {a} {v} at home", "{s} keeps {a} {v} as a pet", "{s} takes care of {a} {v}"],
                ["which animal does {s} have ?", "what pet does {s} keep ?"],
            ),
            Self::PetColour => (
                ["the colour of {p} {t} is {v}", "{p} {t} is {v} all over", "{p} {v} {t} is at home"],
                ["what is the colour of {p} {t} ?", "what colour is the {t} of {n} ?"],
            ),
            Self::Item => (
                ["{s} is the owner of {a} {v}", "{s} bought {a} {v} last year", "{s} has bought {a} {v}"],
                ["what does {s} own ?", "what has {s} bought ?"],
            ),
            Self::ItemColour => (
                ["the colour of {p} {t} is {v}", "{p} {t} is all {v}", "{s} has painted {o} {t} {v}"],
                ["what is the colour of {p} {t} ?", "what colour is the {t} of {n} ?"],
            ),
            Self::Food => (
                ["{s} likes to eat {v}", "{p} favourite food is {v}", "{s} eats {v} every day"],
                ["what does {s} like to eat ?", "what is the favourite food of {n} ?"],
            ),
            Self::Class => (
                ["{x} {s} is a sort of {v}", "{m} are counted among the {v}s", "every {s} is {a} {v}"],
                ["what sort of animal is {x} {s} ?", "what are {m} counted among ?"],
            ),
            Self::Colour => (
                ["most {m} are {v} in colour", "the colour of {x} {s} is {v}", "{m} are very often {v}"],
                ["what colour are most {m} ?", "what is the colour of {x} {s} ?"],
            ),
            Self::Habitat => (
                ["{m} live {i} the {v}", "the {s} has its home {i} the {v}", "most {m} stay {i} the {v}"],
                ["where do {m} live ?", "where is the home of the {s} ?"],
            ),
            Self::Diet => (
                ["{m} like to eat {v}", "the {s} eats {v} every day", "most {m} need {v} to live"],
                ["what do {m} eat ?", "what is the food of the {s} ?"],
            ),
            Self::Kind => (
                ["{x} {s} is a kind of {v}", "every {s} is a kind of {v}", "{m} are a kind of {v}"],
                ["what kind of thing is {x} {s} ?", "what is {x} {s} ?"],
            ),
            Self::Material => (
                ["the {s} is made of {v}", "most {m} are made of {v}", "{v} is used to make {m}"],
                ["what is the {s} made of ?", "what are {m} made of ?"],
            ),
        };
        Templates { statements, questions }
    }

    /// Every value of the relation in this world.
    fn values(self) -> Vec<&'static str> {
        match self {
            Self::Job => PEOPLE.iter().map(|person| person.job).collect(),
            Self::Home => HOMES.iter().map(|place| place.noun).collect(),
            Self::Pet => PEOPLE.iter().map(|person| person.pet.0).collect(),
            Self::Item => PEOPLE.iter().map(|person| person.item.0).collect(),
            Self::Food => PEOPLE.iter().map(|person| person.food).collect(),
            Self::PetColour | Self::ItemColour | Self::Colour => COLOURS.to_vec(),
            Self::Class => ANIMALS.iter().map(|animal| animal.class).collect(),
            Self::Habitat => HABITATS.iter().map(|place| place.noun).collect(),
            Self::Diet => ANIMALS.iter().map(|animal| animal.food).collect(),
            Self::Kind => TOPICS.iter().flat_map(|topic| &topic.kinds).map(|kind| kind.name).collect(),
            Self::Material => MATERIALS.iter().map(|(_, material)| *material).collect(),
        }
    }
}

impl Fact {
    /// A fact about a person.
    pub fn of_person(person: &'static Person, relation: Relation) -> Self {
        let value = match relation {
            Relation::Home => person.home.noun,
            Relation::Pet => person.pet.0,
            Relation::PetColour => person.pet.1,
            Relation::Item => person.item.0,
            Relation::ItemColour => person.item.1,
            Relation::Food => person.food,
            _ => person.job,
        };
        Self { subject: Subject::Person(person), relation, value }
    }

    /// A fact about an animal.
    pub fn of_animal(animal: &'static Animal, relation: Relation) -> Self {
        let value = match relation {
            Relation::Colour => animal.colour,
            Relation::Habitat => animal.home.noun,
            Relation::Diet => animal.food,
            _ => animal.class,
        };
        Self { subject: Subject::Animal(animal), relation, value }
    }

    /// The material of a thing or, if the world has none for it, its kind.
    pub fn of_thing(noun: &'static str) -> Self {
        let subject = Subject::Thing(noun);
        match MATERIALS.iter().find(|(thing, _)| *thing == noun) {
            Some(&(_, value)) => Self { subject, relation: Relation::Material, value },
            None => {
                let value = kind_of(noun).map_or("thing", |kind| kind.name);
                Self { subject, relation: Relation::Kind, value }
            }
        }
    }

    /// Draws a fact about a person.
    pub fn any_of_people(stream: &mut Draws) -> Self {
        let person = &PEOPLE[stream.below(PEOPLE.len())];
        Self::of_person(person, pick(stream, &OF_PEOPLE))
    }

    /// Draws a fact about an animal.
    pub fn any_of_animals(stream: &mut Draws) -> Self {
        let animal = &ANIMALS[stream.below(ANIMALS.len())];
        Self::of_animal(animal, pick(stream, &OF_ANIMALS))
    }

    /// Draws a fact about a thing of the topic that is not a mass noun.
    pub fn any_of_things(stream: &mut Draws, topic: &Topic) -> Self {
        let nouns = topic.kinds.iter().flat_map(|kind| kind.nouns).copied();
        let counted: Vec<&'static str> = nouns.filter(|noun| !is_mass(noun)).collect();
        Self::of_thing(pick(stream, &counted))
    }

    /// The same claim with a false value.
    pub fn falsified(self, stream: &mut Draws) -> Self {
        let mut values = self.relation.values();
        values.retain(|value| *value != self.value && synonym(value) != Some(self.value));
        Self { value: pick(stream, &values), ..self }
    }

    /// The claim as a sentence without the period; draws one of its templates.
    pub fn statement(&self, stream: &mut Draws, pronoun: bool) -> String {
        let template = pick(stream, &self.relation.templates().statements);
        self.fill(template, pronoun)
    }

    /// A question that the claim answers.
    pub fn question(&self, stream: &mut Draws) -> String {
        let template = pick(stream, &self.relation.templates().questions);
        self.fill(template, false).replace(" ?", "?")
    }

    fn fill(&self, template: &str, pronoun: bool) -> String {
        let (name, possessive) = match self.subject {
            Subject::Person(person) if pronoun => {
                (person.gender.subject(), person.gender.possessive().into())
            }
            Subject::Person(person) => (person.name, format!("{}'s", person.name)),
            Subject::Animal(animal) => (animal.noun, "its".to_string()),
            Subject::Thing(noun) => (noun, "its".to_string()),
        };
        let full_name = match self.subject {
            Subject::Person(person) => person.name,
            _ => name,
        };
        // `anna has painted her hat`: a pronoun even without one before.
        let reflexive_possessive = match self.subject {
            Subject::Person(person) => person.gender.possessive(),
            _ => "its",
        };
        let owned = match (self.subject, self.relation) {
            (Subject::Person(person), Relation::PetColour) => person.pet.0,
            (Subject::Person(person), Relation::ItemColour) => person.item.0,
            _ => "",
        };
        let mut text = String::with_capacity(template.len() + 24);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (slot, after) = after.split_once('}').unwrap_or((after, ""));
            match slot {
                "s" => text.push_str(name),
                "n" => text.push_str(full_name),
                "p" => text.push_str(&possessive),
                "o" => text.push_str(reflexive_possessive),
                "t" => text.push_str(owned),
                "m" => text.push_str(&plural(name)),
                "x" => text.push_str(article(name)),
                "a" => text.push_str(article(self.value)),
                "i" => text.push_str(preposition_of(self.value)),
                _ => text.push_str(self.value),
            }
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

/// The preposition of a place of the world.
fn preposition_of(place: &str) -> &'static str {
    let known = HOMES.iter().chain(&HABITATS).find(|known| known.noun == place);
    known.map_or("in", |known| known.preposition)
}

/// Every word of the templates, for the vocabulary.
pub fn template_words() -> Vec<&'static str> {
    let relations = OF_PEOPLE.iter().chain(&OF_ANIMALS).chain(&[Relation::Kind, Relation::Material]);
    let templates = relations.flat_map(|relation| {
        let Templates { statements, questions } = relation.templates();
        statements.into_iter().chain(questions)
    });
    let words = templates.flat_map(str::split_whitespace);
    words.filter(|word| word.chars().all(char::is_alphabetic)).collect()
}
