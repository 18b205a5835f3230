//! The page is complete, and agrees with the types.

use super::*;
use crate::experiment::{ExperimentSpec, schema};

#[test]
fn the_page_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/experiment.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == reference(&schema()),
        "docs/experiment.md has drifted from the schema: regenerate it with \
         `cargo run -- schema --markdown > docs/experiment.md`"
    );
}

fn experiment(value: &Value) -> ExperimentSpec {
    let mut document = json!({"name": "test", "about": "Does it load?"});
    merge(&mut document, value);
    serde_json::from_value(document).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn at(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |value, key| json!({ key: value }))
}

/// Every path of the page with its schema.
fn all_paths(schema: &Value) -> Vec<(String, Value)> {
    fn collect(page: &Page<'_>, path: &str, node: &Value, found: &mut Vec<(String, Value)>) {
        for variant in std::iter::once(node).chain(variants(node)) {
            for (key, declared) in properties(variant) {
                let path = below(path, key);
                let page = Page::new(page.schema);
                match page.kind(declared) {
                    Kind::Section(_, node) => collect(&page, &path, &node.clone(), found),
                    _ => found.push((path, declared.clone())),
                }
            }
        }
    }
    let page = Page::new(schema);
    let mut found = Vec::new();
    for section in ["base", "evaluate", "report"] {
        let Kind::Section(_, node) = page.kind(&schema["properties"][section]) else { panic!("{section}") };
        collect(&page, section, node, &mut found);
    }
    found
}

/// A key is optional, required, or has a default: in the schema, or in the table, which the types agree with.
#[test]
fn every_default_is_stated_and_is_the_types() {
    let schema = schema();
    let plain = format!("{:?}", experiment(&json!({})));
    for (path, text) in UNWRITTEN_DEFAULTS {
        assert_eq!(format!("{:?}", experiment(&at(path, literal(text)))), plain, "{path}");
        let declared = all_paths(&schema).into_iter().find(|(known, _)| known == path);
        assert!(declared.is_some_and(|(_, node)| node.get("default").is_none()), "{path} is in the schema");
    }
    let page = reference(&schema);
    let unstated = page.lines().filter(|line| line.starts_with("| `") && line.contains("its defaults"));
    for line in unstated {
        assert!(line.contains("| [section](") || line.contains("section, as"), "no default is known: {line}");
    }
}

#[test]
fn every_example_is_of_a_key_and_every_key_has_one() {
    let schema = schema();
    let known = all_paths(&schema);
    for (path, _) in EXAMPLES.iter().filter(|(path, _)| path.starts_with("base") || path.starts_with("eval"))
    {
        assert!(known.iter().any(|(key, _)| key == path), "{path} is no key");
    }
    let page = Page::new(&schema);
    for (path, declared) in &known {
        assert!(page.example_value(path, declared).is_some(), "{path} has no example");
    }
}

#[test]
fn a_section_reads_well() {
    let page = reference(&schema());
    let section = page.split("\n## `base.data.tokenizer`\n").nth(1).unwrap().split("\n### ").nth(2).unwrap();
    insta::assert_snapshot!(section.trim(), @r#"
    `base.data.tokenizer`, `kind: file`

    A local `tokenizer.json` or `vocab.txt`.

    | key | type | range | default | meaning |
    | --- | --- | --- | --- | --- |
    | `kind` | string |  | required: `file` |  |
    | `path` | string |  | required | Path, relative to the folder where the command runs. |

    ```yaml
    base:
      data:
        kind: files
        paths:
        - text/*.txt
        tokenizer:
          kind: file
          path: vocab.txt
    ```
    "#);
}
