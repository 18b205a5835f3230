//! Topics: which content words belong together.
//!
//! A document stays on one topic. A topic has places, jobs and two kinds of things. A kind has members (a
//! `hammer` is a `tool`), and the verbs and adjectives that go with them. So some words of a class fit a
//! sentence better than others.

use super::place::{Place, at};

/// A kind of thing.
pub struct Kind {
    /// The name of the kind (`a hammer is a tool`).
    pub name: &'static str,
    /// The members.
    pub nouns: &'static [&'static str],
    /// What people do to them.
    pub verbs: &'static [&'static str],
    /// Words that describe them.
    pub adjectives: &'static [&'static str],
}

/// A topic: words that occur together.
pub struct Topic {
    /// The name of the topic, used as a title.
    pub name: &'static str,
    /// Places of the topic.
    pub places: [Place; 4],
    /// Jobs of people at these places.
    pub jobs: &'static [&'static str],
    /// Kinds of things at these places.
    pub kinds: [Kind; 2],
}

impl Topic {
    /// The kind that a noun belongs to.
    pub fn kind_of(&self, noun: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.nouns.contains(&noun))
    }
}

/// The kind of any noun of any topic.
pub fn kind_of(noun: &str) -> Option<&'static Kind> {
    TOPICS.iter().find_map(|topic| topic.kind_of(noun))
}

/// All topics.
pub static TOPICS: [Topic; 7] = [
    Topic {
        name: "kitchen",
        places: [at("in", "kitchen"), at("in", "bakery"), at("at", "inn"), at("in", "cellar")],
        jobs: &["baker", "cook", "chef", "waiter"],
        kinds: [
            Kind {
                name: "food",
                nouns: &["bread", "soup", "broth", "cake", "cheese", "pie"],
                verbs: &["prepare", "make", "eat", "taste", "serve"],
                adjectives: &["warm", "fresh", "sweet", "salty"],
            },
            Kind {
                name: "vessel",
                nouns: &["pot", "plate", "bowl", "dish", "jug"],
                verbs: &["wash", "fill", "dry", "wipe", "drop", "spill"],
                adjectives: &["clean", "empty", "round", "dirty"],
            },
        ],
    },
    Topic {
        name: "farm",
        places: [at("on", "farm"), at("in", "barn"), at("in", "field"), at("by", "well")],
        jobs: &["farmer", "shepherd", "miller"],
        kinds: [
            Kind {
                name: "vegetable",
                nouns: &["carrot", "potato", "onion", "bean", "pumpkin"],
                verbs: &["plant", "grow", "gather", "collect", "sell"],
                adjectives: &["ripe", "raw", "juicy", "fresh"],
            },
            Kind {
                name: "animal",
                nouns: &["cow", "horse", "goat", "pig", "hen"],
                verbs: &["feed", "chase", "guard", "protect", "lead"],
                adjectives: &["fat", "tame", "healthy", "young"],
            },
        ],
    },
    Topic {
        name: "harbour",
        places: [at("at", "harbour"), at("on", "beach"), at("on", "pier"), at("at", "lighthouse")],
        jobs: &["sailor", "seaman", "fisherman", "captain"],
        kinds: [
            Kind {
                name: "craft",
                nouns: &["boat", "ship", "ferry", "raft", "canoe"],
                verbs: &["sail", "paint", "anchor", "tow", "board"],
                adjectives: &["wooden", "long", "steady", "old"],
            },
            Kind {
                name: "container",
                nouns: &["crate", "barrel", "box", "sack", "pouch"],
                verbs: &["load", "open", "close", "stack", "carry", "haul"],
                adjectives: &["heavy", "big", "large", "full"],
            },
        ],
    },
    Topic {
        name: "forest",
        places: [at("in", "forest"), at("in", "cave"), at("by", "river"), at("on", "hill")],
        jobs: &["hunter", "trapper", "gardener", "ranger"],
        kinds: [
            Kind {
                name: "plant",
                nouns: &["flower", "bush", "tree", "fern", "rose"],
                verbs: &["cut", "find", "discover", "touch", "smell"],
                adjectives: &["tall", "wild", "green", "old"],
            },
            Kind {
                name: "animal",
                nouns: &["fox", "wolf", "bear", "owl", "snake"],
                verbs: &["watch", "observe", "hunt", "track", "hear"],
                adjectives: &["hungry", "angry", "shy", "wild"],
            },
        ],
    },
    Topic {
        name: "school",
        places: [at("at", "school"), at("in", "library"), at("in", "classroom"), at("in", "bookshop")],
        jobs: &["teacher", "student", "writer"],
        kinds: [
            Kind {
                name: "text",
                nouns: &["novel", "book", "letter", "poem", "story", "tale"],
                verbs: &["read", "write", "copy", "study", "print"],
                adjectives: &["long", "short", "difficult", "hard"],
            },
            Kind {
                name: "toy",
                nouns: &["ball", "doll", "kite", "puzzle", "marble"],
                verbs: &["throw", "lose", "hide", "find", "wrap"],
                adjectives: &["small", "little", "bright", "new"],
            },
        ],
    },
    Topic {
        name: "music",
        places: [at("at", "theatre"), at("in", "hall"), at("at", "club"), at("on", "stage")],
        jobs: &["singer", "drummer", "dancer"],
        kinds: [
            Kind {
                name: "instrument",
                nouns: &["violin", "piano", "drum", "flute", "guitar"],
                verbs: &["play", "hear", "borrow", "buy", "purchase"],
                adjectives: &["loud", "quiet", "silent"],
            },
            Kind {
                name: "piece",
                nouns: &["ballad", "song", "waltz", "tune", "melody"],
                verbs: &["sing", "perform", "play", "learn", "record"],
                adjectives: &["slow", "gentle", "lively", "merry"],
            },
        ],
    },
    Topic {
        name: "workshop",
        places: [at("in", "workshop"), at("in", "factory"), at("in", "shed"), at("in", "yard")],
        jobs: &["carpenter", "painter", "blacksmith"],
        kinds: [
            Kind {
                name: "tool",
                nouns: &["hammer", "saw", "ladder", "drill", "axe"],
                verbs: &["use", "borrow", "hold", "grip", "sharpen"],
                adjectives: &["sharp", "rusty", "strong", "sturdy"],
            },
            Kind {
                name: "furniture",
                nouns: &["table", "chair", "seat", "desk", "shelf", "bench"],
                verbs: &["build", "construct", "polish", "repair", "mend"],
                adjectives: &["solid", "broken", "narrow", "wooden"],
            },
        ],
    },
];
