//! What a linguist checks: the good sentence follows the rule, the bad one breaks that rule alone, and no
//! preference for words helps.

use std::collections::{BTreeMap, BTreeSet};

use super::contrast::MAX_WORDS;
use super::*;
use crate::text::synthetic::document;
use crate::text::synthetic::facts::{Fact, OF_ANIMALS, OF_PEOPLE};
use crate::text::synthetic::lexicon::{gerund, participle, past, plural, third};
use crate::text::synthetic::tests::{agrees, split_words};
use crate::text::synthetic::topics::TOPICS;
use crate::text::synthetic::world::{ANIMALS, Gender, PEOPLE};

/// Pairs of one paradigm, in couples.
fn of(name: &str, n_couples: usize) -> Vec<[MinimalPair; 2]> {
    let number = PARADIGMS.iter().position(|paradigm| paradigm.name == name).unwrap();
    (0..n_couples).map(|round| couple(&PARADIGMS[number], number, round, 0)).collect()
}

/// Every pair of one paradigm.
fn pairs_of(name: &str) -> impl Iterator<Item = MinimalPair> {
    of(name, 200).into_iter().flatten()
}

/// The words in which two sentences of equal length differ, good and bad.
fn swapped(pair: &MinimalPair) -> Vec<(String, String)> {
    let (good, bad) = (split_words(&pair.good), split_words(&pair.bad));
    assert_eq!(good.len(), bad.len(), "{pair:?}");
    good.into_iter().zip(bad).filter(|(good, bad)| good != bad).collect()
}

/// Whether a noun of the topics is plural.
fn is_plural(noun: &str) -> bool {
    noun.ends_with('s') || ["geese", "mice", "fishermen", "seamen"].contains(&noun)
}

#[test]
fn one_couple_of_each_paradigm() {
    let lines: Vec<String> = minimal_pairs(2 * PARADIGMS.len(), 0)
        .iter()
        .map(|pair| format!("{:26} {} | {}", pair.paradigm, pair.good, pair.bad))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    agreement_plain            the baker is filling this clean pot in the cellar. | the baker are filling this clean pot in the cellar.
    agreement_plain            the bakers are filling this clean pot in the cellar. | the bakers is filling this clean pot in the cellar.
    agreement_distractor       the carpenter near the tables is laughing in the yard. | the carpenter near the tables are laughing in the yard.
    agreement_distractor       the carpenters near the table are laughing in the yard. | the carpenters near the table is laughing in the yard.
    agreement_relative_clause  the cook who likes cheese will spill this round pot tomorrow. | the cook who like cheese will spill this round pot tomorrow.
    agreement_relative_clause  the cooks who like cheese will spill this round pot tomorrow. | the cooks who likes cheese will spill this round pot tomorrow.
    agreement_question         what does the student find in the classroom? | what do the student find in the classroom?
    agreement_question         what do the students find in the classroom? | what does the students find in the classroom?
    reflexive_gender           klara hurt herself at the club. | klara hurt himself at the club.
    reflexive_gender           nils hurt himself at the club. | nils hurt herself at the club.
    reflexive_number           dora saw herself on the stage. | dora saw themselves on the stage.
    reflexive_number           the drummers saw themselves on the stage. | the drummers saw herself on the stage.
    pronoun_gender             emma is a farmer by trade, and her house stands in the farmhouse. | emma is a farmer by trade, and his house stands in the farmhouse.
    pronoun_gender             leo is a seaman by trade, and his house stands at the seaside. | leo is a seaman by trade, and her house stands at the seaside.
    determiner_noun            last month, the hunter touched this bush in the cave. | last month, the hunter touched these bush in the cave.
    determiner_noun            last month, the hunter touched these bushes in the cave. | last month, the hunter touched this bushes in the cave.
    determiner_adjective_noun  yesterday, this young carpenter borrowed the hammers. | yesterday, these young carpenter borrowed the hammers.
    determiner_adjective_noun  yesterday, these young carpenters borrowed the hammers. | yesterday, this young carpenters borrowed the hammers.
    tense_time                 last week, the old writer who likes cheese threw the marble in the library. | next month, the old writer who likes cheese threw the marble in the library.
    tense_time                 next month, the old writer who likes cheese will throw the marble in the library. | last week, the old writer who likes cheese will throw the marble in the library.
    verb_form                  the teacher near the marble is throwing those dolls in the classroom. | the teacher near the marble is throw those dolls in the classroom.
    verb_form                  the teacher near the marble will throw those dolls in the classroom. | the teacher near the marble will throwing those dolls in the classroom.
    verb_object                many carpenters have sharpened the axe today. | many carpenters have sharpened the shelf today.
    verb_object                many carpenters have constructed the shelf today. | many carpenters have constructed the axe today.
    agent_patient              klara does not fill the dirty pot every day. | the dirty pot does not fill klara every day.
    agent_patient              the dirty pot is not filled by klara every day. | klara is not filled by the dirty pot every day.
    fact_person                the colour of rosa's mouse is white. | the colour of rosa's mouse is black.
    fact_person                the colour of dora's hen is black. | the colour of dora's hen is white.
    fact_animal_thing          a fox is bigger than a hen. | a fox is smaller than a hen.
    fact_animal_thing          a hen is smaller than a fox. | a hen is bigger than a fox.
    ");
}

/// Any sum of numbers per word prefers the good sentence of one pair of a couple by as much as the bad one of
/// the other; so does any function of the number of words.
#[test]
fn no_scorer_of_single_words_or_lengths_beats_one_half() {
    let bag = |sentences: [&String; 2]| {
        let mut words: Vec<String> = sentences.into_iter().flat_map(|text| split_words(text)).collect();
        words.sort();
        words
    };
    for paradigm in &PARADIGMS {
        for [one, other] in of(paradigm.name, 300) {
            assert_eq!(bag([&one.good, &other.good]), bag([&one.bad, &other.bad]), "{one:?} {other:?}");
            let n_words = |text: &String| split_words(text).len() as i64;
            let more = |pair: &MinimalPair| n_words(&pair.good) - n_words(&pair.bad);
            assert_eq!(more(&one), -more(&other), "{one:?} {other:?}");
        }
    }
}

/// The share of right answers of the word frequencies of 2,000 documents is one half in each paradigm.
#[test]
fn word_frequencies_are_right_half_of_the_time() {
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for line in (0..2000).flat_map(|index| document(0, index)) {
        split_words(&line).into_iter().for_each(|word| *counts.entry(word).or_insert(1.0) += 1.0);
    }
    // A rounding error must not decide a tie.
    let score = |text: &str| {
        let mut words = split_words(text);
        words.sort();
        words.iter().map(|word| counts.get(word).copied().unwrap_or(1.0).ln()).sum::<f64>()
    };
    let mut points: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for pair in minimal_pairs(3000, 1) {
        let difference = score(&pair.good) - score(&pair.bad);
        let point = if difference.abs() < 1e-9 { 0.5 } else { f64::from(difference > 0.0) };
        let (sum, n) = points.entry(pair.paradigm).or_default();
        (*sum, *n) = (*sum + point, *n + 1.0);
    }
    assert_eq!(points.len(), PARADIGMS.len());
    for (paradigm, (sum, n)) in points {
        assert_eq!((n, sum / n), (200.0, 0.5), "{paradigm}");
    }
}

#[test]
fn pairs_depend_on_seed_and_position_alone_and_are_spread_evenly() {
    let many = minimal_pairs(1000, 3);
    assert_eq!(minimal_pairs(77, 3), many[..77]);
    assert_ne!(minimal_pairs(30, 4), many[..30]);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    many.iter().for_each(|pair| *counts.entry(&pair.paradigm).or_default() += 1);
    assert!(
        counts.len() == PARADIGMS.len() && counts.values().all(|&n| (66..=68).contains(&n)),
        "{counts:?}"
    );
    assert!(minimal_pairs(0, 3).is_empty());
    let distinct: BTreeSet<&MinimalPair> = many.iter().collect();
    assert!(distinct.len() > 980, "{} of 1000 pairs are distinct", distinct.len());
}

#[test]
fn sentences_are_of_the_language() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for line in (0..6000).flat_map(|index| document(0, index)) {
        known.extend(split_words(&line));
    }
    for pair in minimal_pairs(3000, 2) {
        for text in [&pair.good, &pair.bad] {
            assert!(
                text.ends_with(['.', '?']) && !text.contains("  ") && !text.contains(['{', '}']),
                "{text}"
            );
            assert!((4..=MAX_WORDS).contains(&text.split(' ').count()), "{text}");
            for word in split_words(text) {
                assert!(known.contains(&word), "{word} in {text} occurs in no document");
            }
        }
        assert_ne!(pair.good, pair.bad);
    }
}

#[test]
fn bad_sentences_break_agreement_and_good_ones_keep_it() {
    for name in ["agreement_plain", "agreement_distractor"] {
        let mut n_checked = 0;
        for pair in pairs_of(name) {
            assert_eq!(swapped(&pair).len(), 1, "{pair:?}");
            if let (Some(good), Some(bad)) = (agrees(&pair.good), agrees(&pair.bad)) {
                assert!(good && !bad, "{pair:?}");
                n_checked += 1;
            }
        }
        assert!(n_checked > 150, "{name}: {n_checked}");
    }
    for pair in pairs_of("agreement_relative_clause") {
        let (subject, _) = pair.good.split_once(" who ").unwrap();
        let plural = is_plural(&split_words(subject).pop().unwrap());
        let expected = if plural { ["like", "likes"] } else { ["likes", "like"] };
        assert_eq!(swapped(&pair), [expected.map(str::to_string).into()], "{pair:?}");
    }
    for pair in pairs_of("agreement_question") {
        let [(good, bad)] = &swapped(&pair)[..] else { panic!("{pair:?}") };
        let auxiliaries = [("does", "do"), ("is", "are"), ("has", "have")];
        let (one, many) = (pair.good.contains(&format!(" {good} the ")), (bad.as_str(), good.as_str()));
        assert!(one && auxiliaries.iter().any(|&(one, two)| many == (one, two) || many == (two, one)));
    }
}

/// Between the noun and its verb stands a noun of the other number.
#[test]
fn the_distractor_has_the_other_number() {
    let nouns: BTreeSet<String> = TOPICS
        .iter()
        .flat_map(|topic| &topic.kinds)
        .flat_map(|kind| kind.nouns)
        .flat_map(|noun| [noun.to_string(), plural(noun)])
        .collect();
    for [one, other] in of("agreement_distractor", 200) {
        let distractor = |pair: &MinimalPair| {
            let words = split_words(&pair.good);
            let at = words.iter().position(|word| ["near", "behind", "with", "beside"].contains(&&word[..]));
            words[at.unwrap() + 2].clone()
        };
        let (many, one) = (distractor(&one), distractor(&other));
        assert!(nouns.contains(&one) && nouns.contains(&many));
        assert_eq!(many, plural(&one));
    }
}

#[test]
fn pronouns_fit_the_person_in_good_sentences_only() {
    let gender = |text: &str| {
        let name = split_words(text).into_iter().next().unwrap();
        PEOPLE.iter().find(|person| person.name == name).map(|person| person.gender)
    };
    for name in ["reflexive_gender", "reflexive_number", "pronoun_gender"] {
        for pair in pairs_of(name) {
            let [(good, bad)] = &swapped(&pair)[..] else { panic!("{pair:?}") };
            let pronouns = |gender: Gender| [gender.subject(), gender.possessive(), gender.reflexive()];
            match gender(&pair.good) {
                Some(gender) => {
                    assert!(pronouns(gender).contains(&good.as_str()), "{pair:?}");
                    assert!(!pronouns(gender).contains(&bad.as_str()), "{pair:?}");
                }
                None => assert_eq!((name, good.as_str()), ("reflexive_number", "themselves")),
            }
            assert_eq!(name == "reflexive_number", [good, bad].contains(&&"themselves".to_string()));
        }
    }
}

#[test]
fn determiners_fit_their_nouns_in_good_sentences_only() {
    let singular = ["this", "that", "one", "every"];
    for (name, distance) in [("determiner_noun", 1), ("determiner_adjective_noun", 2)] {
        for pair in pairs_of(name) {
            let [(good, bad)] = &swapped(&pair)[..] else { panic!("{pair:?}") };
            assert_ne!(singular.contains(&good.as_str()), singular.contains(&bad.as_str()), "{pair:?}");
            let (words, broken) = (split_words(&pair.good), split_words(&pair.bad));
            let at = words.iter().zip(&broken).position(|(word, other)| word != other).unwrap();
            assert_eq!(is_plural(&words[at + distance]), !singular.contains(&good.as_str()), "{pair:?}");
        }
    }
}

#[test]
fn times_go_with_tenses_in_good_sentences_only() {
    for pair in pairs_of("tense_time") {
        let tense = match () {
            () if split_words(&pair.good).contains(&"will".to_string()) => "next",
            () if ["is", "are"].iter().any(|word| split_words(&pair.good).contains(&word.to_string())) => {
                "now"
            }
            () => "last",
        };
        let fits = |text: &str| match tense {
            "next" => text.contains("next ") || text.contains("tomorrow"),
            "now" => text.contains("now"),
            _ => text.contains("last ") || text.contains("yesterday"),
        };
        assert!(fits(&pair.good) && !fits(&pair.bad), "{pair:?}");
    }
    let verbs = TOPICS.iter().flat_map(|topic| &topic.kinds).flat_map(|kind| kind.verbs);
    let gerunds: BTreeSet<String> = verbs.map(|verb| gerund(verb)).collect();
    for pair in pairs_of("verb_form") {
        let [(good, bad)] = &swapped(&pair)[..] else { panic!("{pair:?}") };
        let words = split_words(&pair.good);
        let has = |options: &[&str]| options.iter().any(|word| words.contains(&word.to_string()));
        match () {
            () if has(&["is", "are"]) => {
                assert!(gerunds.contains(good) && !gerunds.contains(bad), "{pair:?}")
            }
            () if has(&["has", "have", "will"]) => assert!(!gerunds.contains(good), "{pair:?}"),
            () => panic!("no auxiliary verb in {pair:?}"),
        }
    }
}

#[test]
fn objects_are_of_the_verbs_kind_in_good_sentences_only() {
    let kinds = || TOPICS.iter().flat_map(|topic| &topic.kinds);
    for pair in pairs_of("verb_object") {
        let [(good, bad)] = &swapped(&pair)[..] else { panic!("{pair:?}") };
        let kind_of = |word: &str| {
            let is = |noun: &&str| *noun == word || plural(noun) == word;
            kinds().find(|kind| kind.nouns.iter().any(&is)).unwrap()
        };
        let (right, wrong) = (kind_of(good), kind_of(bad));
        assert!(right.name != wrong.name, "{pair:?}");
        let forms =
            |verb: &&'static str| [verb.to_string(), past(verb), participle(verb), gerund(verb), third(verb)];
        let words = split_words(&pair.good);
        let says = |verb: &&&'static str| forms(verb).iter().any(|form| words.contains(form));
        assert!(right.verbs.iter().any(|verb| says(&verb)), "{pair:?}");
    }
    for [active, passive] in of("agent_patient", 200) {
        let sorted = |text: &str| {
            let mut words = split_words(text);
            words.sort();
            words
        };
        for pair in [&active, &passive] {
            assert_eq!(sorted(&pair.good), sorted(&pair.bad), "{pair:?}");
        }
        let n_by = |text: &str| split_words(text).iter().filter(|word| *word == "by").count();
        assert_eq!(n_by(&passive.good), n_by(&active.good) + 1, "{active:?} {passive:?}");
    }
}

/// Every statement of a fact that holds.
fn truths() -> BTreeSet<String> {
    let mut stream = Draws::new(0, Purpose::Test, 0, 0);
    let mut truths = BTreeSet::new();
    let people = PEOPLE.iter().flat_map(|person| OF_PEOPLE.map(|relation| Fact::of_person(person, relation)));
    let animals =
        ANIMALS.iter().flat_map(|animal| OF_ANIMALS.map(|relation| Fact::of_animal(animal, relation)));
    let things = TOPICS.iter().flat_map(|topic| &topic.kinds).flat_map(|kind| kind.nouns);
    let things = things.map(|noun| Fact::of_thing(noun));
    for fact in people.chain(animals).chain(things) {
        // Each draw takes one of three wordings, the rarest with a probability of 0.18.
        truths.extend((0..100).map(|_| fact.statement(&mut stream, false) + "."));
    }
    truths
}

#[test]
fn good_facts_are_true_and_bad_ones_false() {
    let truths = truths();
    let size = |noun: &str| ANIMALS.iter().find(|animal| animal.noun == noun).unwrap().size;
    let mut relations = BTreeSet::new();
    for pair in pairs_of("fact_person").chain(pairs_of("fact_animal_thing")) {
        let words = split_words(&pair.good);
        if let Some(at) = words.iter().position(|word| word == "bigger" || word == "smaller") {
            assert_eq!(size(&words[1]) > size(&words[at + 3]), words[at] == "bigger", "{pair:?}");
            assert!(
                pair.bad == pair.good.replace("bigger", "smaller")
                    || pair.bad == pair.good.replace("smaller", "bigger")
            );
            relations.insert("size");
            continue;
        }
        assert!(truths.contains(&pair.good) && !truths.contains(&pair.bad), "{pair:?}");
        relations.insert(if pair.paradigm == "fact_person" { "person" } else { "animal or thing" });
    }
    assert_eq!(relations.len(), 3);
}
