//! A panic is a bug of ours: one paragraph that says so, instead of a back-trace.

use std::panic::{PanicHookInfo, UnwindSafe, catch_unwind, set_hook, take_hook};

use super::{exit, output};

/// From now on a panic prints one paragraph; with `RUST_BACKTRACE` set, Rust's own report follows.
pub fn install() {
    let own = take_hook();
    set_hook(Box::new(move |info| {
        output::note(&paragraph(&message_of(info), &place_of(info)));
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            own(info);
        }
    }));
}

/// Runs `work`; a panic in it ends with the code of a bug.
pub fn guard(work: impl FnOnce() -> u8 + UnwindSafe) -> u8 {
    catch_unwind(work).unwrap_or(exit::INTERNAL)
}

fn message_of(info: &PanicHookInfo) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    text.lines().next().unwrap_or_default().into()
}

fn place_of(info: &PanicHookInfo) -> String {
    info.location().map_or("an unknown place".into(), |place| format!("{}:{}", place.file(), place.line()))
}

fn paragraph(message: &str, place: &str) -> String {
    format!(
        "error: electra-lab {} met a bug at {place}: {message}\n\
         hint: what was saved is safe, and the same command continues from there. Please report this with \
         the command, the experiment file and the output of `electra-lab doctor`; RUST_BACKTRACE=1 shows more",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_with_the_code_of_a_bug() {
        assert_eq!(guard(|| 3), 3);
        assert_eq!(guard(|| panic!("a panic that this test wants")), exit::INTERNAL);
    }

    #[test]
    fn the_paragraph_says_where_and_what_to_do() {
        let text = paragraph("index out of bounds", "src/nn/attention.rs:12")
            .replace(env!("CARGO_PKG_VERSION"), "VERSION");
        insta::assert_snapshot!(text, @r#"
        error: electra-lab VERSION met a bug at src/nn/attention.rs:12: index out of bounds
        hint: what was saved is safe, and the same command continues from there. Please report this with the command, the experiment file and the output of `electra-lab doctor`; RUST_BACKTRACE=1 shows more
        "#);
    }
}
