//! A panic is a bug in electra-lab: prints one paragraph that says so, in place of a stack trace.

use std::panic::{PanicHookInfo, UnwindSafe, catch_unwind, set_hook, take_hook};

use super::{exit, output};
use crate::build_info;
use crate::error::is_expected_panic;

/// Makes a panic print one paragraph; with `RUST_BACKTRACE` set, Rust's own report follows.
pub fn install() {
    let own = take_hook();
    set_hook(Box::new(move |info| {
        if info.location().is_some_and(|place| is_expected_panic(place.file())) {
            return;
        }
        output::note(&paragraph(&message_of(info), &place_of(info)));
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            own(info);
        }
    }));
}

/// Runs `work` and returns its exit code; a panic in it gives the exit code of a bug.
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
        "error: electra-lab {} panicked at {place}: {message}\n\
         hint: this is a bug in electra-lab. Saved checkpoints and records are intact: the same command continues \
         from them. Please report the bug with the command, the experiment file and the output of \
         `electra-lab doctor`; RUST_BACKTRACE=1 prints the stack",
        build_info::version()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_s_panic_on_a_file_is_an_error_and_no_bug() {
        let file = "/registry/polars-parquet-0.55.2/src/read.rs";
        assert_eq!(crate::error::catch_panic(|| is_expected_panic(file)), Some(true));
        assert_eq!(crate::error::catch_panic(|| is_expected_panic("src/nn/attention.rs")), Some(false));
        assert_eq!(crate::error::catch_panic(|| -> u8 { panic!("this test panics on purpose") }), None);
    }

    #[test]
    fn a_panic_gives_the_exit_code_of_a_bug() {
        assert_eq!(guard(|| 3), 3);
        assert_eq!(guard(|| panic!("this test panics on purpose")), exit::INTERNAL);
    }

    #[test]
    fn the_paragraph_names_the_place_and_the_remedy() {
        let text = paragraph("index out of bounds", "src/nn/attention.rs:12")
            .replace(build_info::version(), "VERSION");
        insta::assert_snapshot!(text, @r#"
        error: electra-lab VERSION panicked at src/nn/attention.rs:12: index out of bounds
        hint: this is a bug in electra-lab. Saved checkpoints and records are intact: the same command continues from them. Please report the bug with the command, the experiment file and the output of `electra-lab doctor`; RUST_BACKTRACE=1 prints the stack
        "#);
    }
}
