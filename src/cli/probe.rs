//! `electra-lab probe`: shows the predictions of a model for one text.

use clap::Args;

use super::table::{numbers, table, words};
use super::{exit, output};
use crate::error::Result;
use crate::hub::DataEnv;
use crate::tools::{Probe, ProbeInput, ProbedMask, ProbedToken};

/// Arguments of `probe`.
#[derive(Args, Debug)]
pub struct ProbeArguments {
    /// Folder with config.json and weights (what `export` or transformers' save_pretrained writes), or a hub
    /// repository OWNER/NAME
    #[arg(long, value_name = "DIR")]
    model: String,

    /// Branch, tag or commit of a hub repository
    #[arg(long, value_name = "NAME", default_value = "main")]
    revision: String,

    /// Text for the model; `[CLS]` and `[SEP]` are added, and `[MASK]` stands for the mask token
    #[arg(long, required_unless_present = "ids", conflicts_with = "ids")]
    text: Option<String>,

    /// Second segment [default: none]
    #[arg(long, value_name = "TEXT", requires = "text")]
    pair: Option<String>,

    /// Token ids instead of a text, used unchanged: --ids 101,2023,102
    #[arg(long, value_delimiter = ',', value_name = "ID,…")]
    ids: Vec<u32>,

    /// Shows the generator's predictions at each `[MASK]`, instead of the discriminator's output [default:
    /// off]
    #[arg(long)]
    generator: bool,

    /// Predictions to show per `[MASK]`
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,

    /// Uses only what is in the caches, never the network, like HF_HUB_OFFLINE=1 [default: off]
    #[arg(long)]
    offline: bool,

    /// Prints JSON [default: a table]
    #[arg(long)]
    json: bool,
}

/// Runs the model, prints its predictions and returns the exit code.
pub fn probe(arguments: &ProbeArguments) -> Result<u8> {
    let env = DataEnv::new(arguments.offline)?;
    let probe = Probe::open(&arguments.model, &arguments.revision, arguments.generator, &env)?;
    let input = match &arguments.text {
        Some(text) => ProbeInput::Text { text: text.clone(), pair: arguments.pair.clone() },
        None => ProbeInput::Ids(arguments.ids.clone()),
    };
    if arguments.generator {
        let masks = probe.fill(&input, arguments.top as usize)?;
        match arguments.json {
            true => output::json(&serde_json::json!({ "masks": masks }))?,
            false => output::data(&fills_text(&masks))?,
        }
    } else {
        let tokens = probe.discriminate(&input)?;
        match arguments.json {
            true => output::json(&serde_json::json!({ "tokens": tokens }))?,
            false => output::data(&tokens_text(&tokens))?,
        }
    }
    Ok(exit::OK)
}

fn shown(token: Option<&String>) -> String {
    token.cloned().unwrap_or_else(|| "?".into())
}

fn tokens_text(tokens: &[ProbedToken]) -> String {
    let row = |token: &ProbedToken| {
        [
            shown(token.token.as_ref()),
            token.id.to_string(),
            format!("{:.4}", token.logit),
            format!("{:.4}", token.replaced),
        ]
    };
    let rows: Vec<[String; 4]> = tokens.iter().map(row).collect();
    table(&[words("token"), numbers("id"), numbers("logit"), numbers("P(replaced)")], &rows)
}

fn fills_text(masks: &[ProbedMask]) -> String {
    let rows = masks.iter().flat_map(|mask| {
        mask.fills.iter().map(|fill| {
            [
                mask.position.to_string(),
                shown(fill.token.as_ref()),
                fill.id.to_string(),
                format!("{:.4}", fill.logit),
                format!("{:.4}", fill.probability),
            ]
        })
    });
    let columns =
        [numbers("position"), words("fill"), numbers("id"), numbers("logit"), numbers("probability")];
    table(&columns, &rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Fill;

    #[test]
    fn predictions_are_tables() {
        let tokens = [
            ProbedToken { id: 101, token: Some("[CLS]".into()), logit: -8.25, replaced: 0.00026 },
            ProbedToken { id: 5, token: None, logit: 1.5, replaced: 0.8176 },
        ];
        insta::assert_snapshot!(tokens_text(&tokens), @r#"
        token   id    logit  P(replaced)
        [CLS]  101  -8.2500       0.0003
        ?        5   1.5000       0.8176
        "#);
        let fill = |id, token: &str| Fill { id, token: Some(token.into()), logit: 2.0, probability: 0.25 };
        let masks = [ProbedMask { position: 3, fills: vec![fill(7, "cat"), fill(8, "dog")] }];
        insta::assert_snapshot!(fills_text(&masks), @r#"
        position  fill  id   logit  probability
               3  cat    7  2.0000       0.2500
               3  dog    8  2.0000       0.2500
        "#);
    }
}
