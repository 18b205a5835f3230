//! Checks a document against the schema and collects all mistakes.
//!
//! serde would stop at the first mistake and give no remedy. Implements the part of JSON Schema that ours
//! uses: types, ranges, enumerations, tagged mappings, lists, unknown and missing keys. Must never: compare
//! two values with each other; `check_trial` and `check_experiment` do that.

use serde_json::Value;

use super::problem::{MOST_SHOWN, Problem};
use super::schema::{Schema, allows_null, is_name, keys, kind_of, variants};
use super::suggest::nearest;
use super::value_path::ValuePath;
use super::value_type::{fits, wanted_type, wrong_type};

/// Whether required keys may be missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// Required keys may be missing, since another layer may have them.
    Part,
    /// All required keys must be there.
    Whole,
}

/// All mistakes of a document.
pub(crate) fn document(schema: &Schema, document: &Value, completeness: Completeness) -> Vec<Problem> {
    below(schema, schema.root(), document, &ValuePath::root(), completeness)
}

/// All mistakes of the value at a path, by the node of the schema that describes it.
pub(crate) fn below(
    schema: &Schema,
    node: &Value,
    value: &Value,
    path: &ValuePath,
    completeness: Completeness,
) -> Vec<Problem> {
    let mut walker = Walker { schema, completeness, problems: Vec::new() };
    walker.walk(node, value, path);
    walker.problems
}

struct Walker<'s> {
    schema: &'s Schema,
    completeness: Completeness,
    problems: Vec<Problem>,
}

impl<'s> Walker<'s> {
    fn walk(&mut self, declared: &'s Value, value: &Value, path: &ValuePath) {
        let node = self.schema.resolve(declared);
        if value.is_null() && (allows_null(declared) || allows_null(node)) {
            return;
        }
        if variants(node).any(|variant| kind_of(variant).is_some()) {
            return self.tagged(node, value, path);
        }
        let words: Vec<&str> = variants(node).filter_map(|variant| variant.get("const")?.as_str()).collect();
        if !words.is_empty() {
            return self.word(&words, declared, value, path);
        }
        if let Some(wanted) = wanted_type(node)
            && !fits(wanted, value)
        {
            let (what, hint) = wrong_type(wanted, value);
            return self.problems.push(Problem::of(path, value, what, hint));
        }
        match value {
            Value::Number(number) => {
                self.range(node, declared, number.as_f64().unwrap_or(f64::NAN), value, path)
            }
            Value::String(text) if node.get("pattern").is_some() && !is_name(text) => {
                self.problems.push(not_a_name(path, Problem::of(path, value, "", "")));
            }
            Value::Array(list) => self.list(node, list, value, path),
            Value::Object(_) => self.mapping(node, value, path),
            _ => {}
        }
    }

    /// An enumeration: one of a few words.
    fn word(&mut self, words: &[&str], declared: &Value, value: &Value, path: &ValuePath) {
        let text = value.as_str().unwrap_or_default();
        if words.contains(&text) {
            return;
        }
        let default = declared.get("default").and_then(Value::as_str);
        let default = default.map(|word| format!("; the default is {word}")).unwrap_or_default();
        let hint = match nearest(text, words.iter().copied()) {
            Some(word) => format!("did you mean {word}? Known are {}", words.join(", ")),
            None => format!("write one of {}{default}", words.join(", ")),
        };
        self.problems.push(Problem::of(path, value, "is not a known word here", hint));
    }

    /// A mapping whose `kind` decides its other keys.
    fn tagged(&mut self, node: &'s Value, value: &Value, path: &ValuePath) {
        let kinds: Vec<&str> = variants(node).filter_map(kind_of).collect();
        let Some(map) = value.as_object() else {
            let meant =
                kinds.iter().find(|kind| value == **kind).or(kinds.first()).copied().unwrap_or_default();
            let hint = format!("write {{ kind: {meant} }}; kinds are {}", kinds.join(", "));
            return self.problems.push(Problem::of(path, value, "must be a mapping with a `kind`", hint));
        };
        match map.get("kind") {
            None if self.completeness == Completeness::Whole => {
                let hint = format!("add `kind:` with one of {}", kinds.join(", "));
                self.problems.push(Problem::at(path, "the key `kind` is missing", hint));
            }
            None => self.untagged_part(node, value, path),
            Some(kind) => {
                let found = variants(node).find(|variant| kind_of(variant) == kind.as_str());
                match found {
                    Some(variant) => self.mapping(variant, value, path),
                    None => self.word(&kinds, node, kind, &path.key("kind")),
                }
            }
        }
    }

    /// Part of a tagged mapping whose kind another layer has: keys of any kind are allowed.
    fn untagged_part(&mut self, node: &'s Value, value: &Value, path: &ValuePath) {
        for (key, entry) in value.as_object().into_iter().flatten() {
            let declared = variants(node).find_map(|variant| variant.get("properties")?.get(key));
            match declared {
                Some(declared) => self.walk(declared, entry, &path.key(key)),
                None => {
                    let mut known: Vec<&str> = Vec::new();
                    for candidate in variants(node).flat_map(keys) {
                        if !known.contains(&candidate) {
                            known.push(candidate);
                        }
                    }
                    self.unknown_key(node, &known, key, path);
                }
            }
        }
    }

    fn mapping(&mut self, node: &'s Value, value: &Value, path: &ValuePath) {
        let known = keys(node);
        for (key, entry) in value.as_object().into_iter().flatten() {
            let below = path.key(key);
            if node.pointer("/propertyNames/pattern").is_some() && !is_name(key) {
                self.problems.push(not_a_name(&below, Problem::at(&below, "", "")));
            }
            match node.get("properties").and_then(|declared| declared.get(key)) {
                Some(declared) => self.walk(declared, entry, &below),
                None => match node.get("additionalProperties") {
                    Some(Value::Bool(false)) => self.unknown_key(node, &known, key, path),
                    Some(declared) => self.walk(declared, entry, &below),
                    None => {}
                },
            }
        }
        let required = node.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str) {
            let is_missing = value.get(key).is_none() && !self.is_misspelt(key, &known, value);
            if self.completeness == Completeness::Whole && is_missing {
                self.missing_key(node, key, path);
            }
        }
    }

    /// Whether this key is the suggestion for an unknown key; it is then not reported as missing, too.
    fn is_misspelt(&self, key: &str, known: &[&str], value: &Value) -> bool {
        let written = value.as_object().into_iter().flatten().map(|(written, _)| written.as_str());
        let mut unknown = written.filter(|written| !known.contains(written));
        unknown.any(|word| nearest(word, known.iter().copied()) == Some(key))
    }

    fn missing_key(&mut self, node: &Value, key: &str, path: &ValuePath) {
        let about = node.pointer(&format!("/properties/{key}/description")).and_then(Value::as_str);
        let about = about.unwrap_or("see the schema").trim_end_matches('.');
        let what = match kind_of(node) {
            Some(kind) => format!("the key `{key}` is missing, which kind {kind} needs"),
            None => format!("the key `{key}` is missing"),
        };
        let mut problem = Problem::at(path, what, format!("add `{key}:` ({about})"));
        problem.look_at.push(path.key("kind"));
        self.problems.push(problem);
    }

    fn unknown_key(&mut self, node: &Value, known: &[&str], key: &str, path: &ValuePath) {
        let what = match kind_of(node) {
            Some(kind) => format!("unknown key for kind {kind}"),
            None => "unknown key".to_string(),
        };
        if self.problems.len() > MOST_SHOWN {
            // Only counted: a hint would not be shown, and takes a search through the schema.
            return self.problems.push(Problem::at(&path.key(key), what, ""));
        }
        let others = self.kinds_with(key, path);
        let hint = match (nearest(key, known.iter().copied()), self.homes_of(key, path)) {
            _ if !others.is_empty() => {
                let kinds = if others.len() == 1 { "kind" } else { "the kinds" };
                format!("it belongs to {kinds} {}; known here are {}", others.join(", "), known.join(", "))
            }
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, homes) if !homes.is_empty() => format!("`{key}` is a key of {}", homes.join(" and of ")),
            _ => format!("remove it; known here are {}", known.join(", ")),
        };
        self.problems.push(Problem::at(&path.key(key), what, hint));
    }

    /// Kinds of the tagged mapping at a path that have this key.
    fn kinds_with(&self, key: &str, path: &ValuePath) -> Vec<&'s str> {
        let nodes = self.schema.at(path).into_iter().map(|node| self.schema.resolve(node));
        let variants = nodes.flat_map(variants).filter(|variant| keys(variant).contains(&key));
        variants.filter_map(kind_of).collect()
    }

    /// Other sections that have this key.
    fn homes_of(&self, key: &str, path: &ValuePath) -> Vec<String> {
        let (paths, here) = (self.schema.paths(), path.to_string());
        let homes = paths.iter().filter_map(|known| known.strip_suffix(key)?.strip_suffix('.'));
        homes.filter(|home| *home != here).map(str::to_string).collect()
    }

    fn list(&mut self, node: &'s Value, list: &[Value], value: &Value, path: &ValuePath) {
        let least = node.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        if (list.len() as u64) < least {
            let hint = "write at least one entry, or remove the key";
            self.problems.push(Problem::of(path, value, "is an empty list", hint));
        }
        for (index, entry) in list.iter().enumerate() {
            if let Some(items) = node.get("items") {
                self.walk(items, entry, &path.index(index));
            }
        }
    }

    fn range(&mut self, node: &Value, declared: &Value, number: f64, value: &Value, path: &ValuePath) {
        let bound = |key: &str| node.get(key).and_then(Value::as_f64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        if least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most) {
            return;
        }
        let range = match (least, most) {
            (Some(least), Some(most)) => format!("from {} to {}", bare(least), bare(most)),
            (Some(least), None) => format!("of at least {}", bare(least)),
            (None, most) => format!("of at most {}", bare(most.unwrap_or(f64::NAN))),
        };
        let default = declared.get("default").filter(|default| !default.is_null());
        let default = default.map(|default| format!("; the default is {default}")).unwrap_or_default();
        let hint = format!("use a number {range}{default}");
        self.problems.push(Problem::of(path, value, "is out of range", hint));
    }
}

/// A bound of a range as text: without `.0` or many zeros.
fn bare(number: f64) -> String {
    if number != 0.0 && number.abs() < 1e-3 { format!("{number:e}") } else { number.to_string() }
}

fn not_a_name(path: &ValuePath, problem: Problem) -> Problem {
    let what = match path.last_key() {
        Some("name") => "cannot name a folder under results/ and reports/",
        _ => "cannot name a profile, which has a folder of that name under reports/",
    };
    let hint =
        "use up to 64 lower-case letters, digits, `_` and `-`, a letter or digit first, such as gen_ratio";
    Problem { what: what.into(), hint: hint.into(), ..problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::document::yaml;

    fn list(text: &str, completeness: Completeness) -> String {
        let value = yaml::read(text).unwrap();
        let lines = document(&Schema::new(), &value, completeness).into_iter().map(|problem| {
            format!("{} [{}] {} -> {}\n", problem.path, problem.value, problem.what, problem.hint)
        });
        lines.collect()
    }

    #[test]
    fn a_valid_document_has_no_problem() {
        let text = "{name: a, about: b, base: {model: {hidden: ~}, objective: {kind: mlm}}, \
                    sweep: {train.steps: [1]}, profiles: {x: {seeds: [1], base: {train: {learning_rate: 1}}}}}";
        assert_eq!(list(text, Completeness::Whole), "");
    }

    #[test]
    fn types() {
        let text = "{name: 3, about: ~, base: {model: {hidden: '64', layers: 2.5, positions: 1e2, dropout: x}}, \
                    sweep: {train.steps: 5}, seeds: 1, evaluate: [cola], report: {log_x: 'yes'}}";
        insta::assert_snapshot!(list(text, Completeness::Whole), @r#"
            name [3] must be text, not a number -> put it in quotes: "3"
            about [null] has no value, and must be text -> give it a value, or remove the key to use its default
            base.model.hidden ["64"] must be a whole number, not text -> write 64 without quotes or separators
            base.model.layers [2.5] must be a whole number -> round it
            base.model.positions [100.0] must be a whole number -> write 100
            base.model.dropout ["x"] must be a number, not text -> write digits
            sweep.train.steps [5] must be a list, not a number -> write a list, even for one entry: [5]
            seeds [1] must be a list, not a number -> write a list, even for one entry: [1]
            evaluate [["cola"]] must be a mapping (keys with values), not a list -> write keys and values below it, or {} for none
            report.log_x ["yes"] must be true or false, not text -> write true or false
        "#);
        insta::assert_snapshot!(list("[1]", Completeness::Whole), @" [[1]] must be a mapping (keys with values), not a list -> write keys and values below it, or {} for none");
    }

    #[test]
    fn ranges_words_and_names() {
        let text = "{name: ../a, about: b, seeds: [], base: {model: {size: smal, generator_ratio: 7}, \
                    train: {optimizer: sgd, epsilon: 0, steps: -1}}, evaluate: {tasks: [cola, mlni, wnli]}, \
                    profiles: {Big: {}}}";
        insta::assert_snapshot!(list(text, Completeness::Whole), @r#"
        name ["../a"] cannot name a folder under results/ and reports/ -> use up to 64 lower-case letters, digits, `_` and `-`, a letter or digit first, such as gen_ratio
        seeds [[]] is an empty list -> write at least one entry, or remove the key
        base.model.size ["smal"] is not a known word here -> did you mean small? Known are tiny, small, base, large
        base.model.generator_ratio [7] is out of range -> use a number from 0.01 to 4; the default is 0.25
        base.train.optimizer ["sgd"] is not a known word here -> write one of electra, adamw; the default is electra
        base.train.epsilon [0] is out of range -> use a number from 1e-12 to 1; the default is 1e-6
        base.train.steps [-1] is out of range -> use a number from 0 to 1000000000; the default is 1000
        evaluate.tasks[1] ["mlni"] is not a known word here -> did you mean mnli? Known are cola, sst2, mrpc, stsb, rte, qnli, qqp, mnli, wnli, squad, squad2
        profiles.Big [] cannot name a profile, which has a folder of that name under reports/ -> use up to 64 lower-case letters, digits, `_` and `-`, a letter or digit first, such as gen_ratio
        "#);
    }

    #[test]
    fn unknown_and_missing_keys() {
        let text = "{nmae: a, steps: 3, base: {train: {warmpu: 1, hidden: 3, zzz: 1}, objective: {kind: mlm, \
                    temperature: 1}, data: {kind: hub, tokenizer: {kind: file}}, model: {batch: 3}}}";
        insta::assert_snapshot!(list(text, Completeness::Whole), @r#"
        nmae [] unknown key -> did you mean `name`?
        steps [] unknown key -> `steps` is a key of base.train
        base.train.warmpu [] unknown key -> did you mean `warmup`?
        base.train.hidden [] unknown key -> `hidden` is a key of base.model
        base.train.zzz [] unknown key -> remove it; known here are steps, budget, amount, stop_at, batch, micro_batch, seq_len, learning_rate, warmup, optimizer, weight_decay, clip_norm, beta1, beta2, epsilon, precision, log_every, validate_every, checkpoint_every, checkpoint_mb
        base.objective.temperature [] unknown key for kind mlm -> it belongs to the kinds rtd, electra_15, replace_mlm, all_tokens_mlm, two_stage, coco_lm, script; known here are kind, mask_fraction, masking
        base.data.tokenizer [] the key `path` is missing, which kind file needs -> add `path:` (Path, relative to the folder where the command runs)
        base.data [] the key `repo` is missing, which kind hub needs -> add `repo:` (Repository, `owner/name`)
        base.model.batch [] unknown key -> `batch` is a key of base.train and of evaluate.finetune
         [] the key `about` is missing -> add `about:` (The question, in a sentence)
        "#);
    }

    #[test]
    fn tagged_mappings() {
        let text = "{name: a, about: b, base: {objective: {kind: rtdd}, data: language}, \
                    evaluate: {source: {train_examples: 5}}}";
        insta::assert_snapshot!(list(text, Completeness::Whole), @r#"
            base.objective.kind ["rtdd"] is not a known word here -> did you mean rtd? Known are rtd, electra_15, replace_mlm, all_tokens_mlm, two_stage, adversarial, coco_lm, electric, script, mlm
            base.data ["language"] must be a mapping with a `kind` -> write { kind: language }; kinds are language, hub, files
            evaluate.source [] the key `kind` is missing -> add `kind:` with one of language, hub
        "#);
        insta::assert_snapshot!(list("{base: {objective: {mask_fraction: 2, x: 1}}}", Completeness::Part), @r"
            base.objective.mask_fraction [2] is out of range -> use a number from 0.01 to 0.9; the default is 0.15
            base.objective.x [] unknown key -> remove it; known here are kind, disc_weight, mask_fraction, temperature, final_temperature, masking, generator, disallow_correct, normalise, restore_weight, generator_share, initialise, schedule, second_stage, policy_weight, baseline_weight, mle_weight, entropy_bonus, clm_weight, copy_weight, correction, scl_weight, scl_temperature, crop, critic_weight
        ");
    }
}
