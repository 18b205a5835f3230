//! Archives are exported and imported, and damaged ones are rejected.

use super::*;
use crate::experiment::TokenizerSpec;
use crate::records::Silent;
use crate::text::corpus::open_corpus;

const SENTENCES: [&str; 4] =
    ["The cat saw the dog.", "A dog ran home.", "Seven birds sang in the tree.", "It rained all day."];

/// Writes a text of `n` documents into `folder`; returns its data section, which makes a vocabulary from the
/// text.
fn a_text(folder: &Path, n: usize) -> DataSpec {
    let document = |index: usize| SENTENCES.map(|sentence| format!("{sentence} {index}\n")).concat();
    let text: String = (0..n).map(|index| document(index) + "\n").collect();
    let path = folder.join("text.txt");
    std::fs::write(&path, text).unwrap();
    DataSpec::Files {
        paths: vec![path.display().to_string()],
        column: "text".into(),
        max_documents: None,
        sentences: Default::default(),
        tokenizer: TokenizerSpec::Own { size: 60, documents: 100 },
    }
}

#[test]
fn an_imported_corpus_equals_the_exported_one() {
    let [here, there] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (data, archive) = (a_text(here.path(), 150), here.path().join("text.archive"));
    let [from, to] = [DataEnv::at(here.path()), DataEnv::at(there.path())];
    let texts = [(&data, vec![16, 32])];
    let exported = export_archive(&texts, &archive, &from, &Silent).unwrap();
    assert!(
        exported.len() == 2 && exported.iter().all(|corpus| corpus.archive_bytes < corpus.cache_bytes),
        "{exported:?}"
    );
    let error = export_archive(&texts, &archive, &from, &Silent).unwrap_err();
    assert!(error.message.ends_with("text.archive exists already"), "{error}");

    let corpora: Vec<_> = [16, 32].map(|len| open_corpus(&data, len, &from, &Silent).unwrap()).into();
    let expected_tokenizer = TextOpener::new(&data, &from).tokenizer(&Silent).unwrap();
    std::fs::remove_file(here.path().join("text.txt")).unwrap();
    let missing = open_corpus(&data, 16, &to, &Silent).unwrap_err();
    assert_eq!(import_archive(&archive, &to, &Silent).unwrap(), exported);
    for (len, expected) in [16, 32].into_iter().zip(corpora) {
        let corpus = open_corpus(&data, len, &to, &Silent).unwrap();
        assert_eq!(corpus.provenance(), expected.provenance());
        assert_eq!(corpus.batch_at(3, 7, 5), expected.batch_at(3, 7, 5));
        assert_eq!(corpus.validation_batch(0, 2), expected.validation_batch(0, 2));
    }
    let tokenizer = crate::text::tokenizer::open_tokenizer(&data, &to, &Silent).unwrap();
    assert_eq!(tokenizer.hash(), expected_tokenizer.hash());
    let encode = |tokenizer: &Tokenizer| tokenizer.encode("The dog sang [MASK].").unwrap();
    assert_eq!(encode(&tokenizer), encode(&expected_tokenizer));

    // Another length was not imported: the error begins with the one of the missing text.
    let error = open_corpus(&data, 64, &to, &Silent).unwrap_err();
    assert!(error.message.starts_with(&missing.message), "{error}");
    assert!(error.message.ends_with(", and no corpus of 64 tokens was imported"), "{error}");
    assert!(
        error.hint.starts_with(
            "where the text is, export it with --set train.seq_len=64, then import it here; or: "
        ),
        "{error}"
    );
}

#[test]
fn damaged_archives_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let (data, archive) = (a_text(folder.path(), 20), folder.path().join("text.archive"));
    export_archive(&[(&data, vec![16])], &archive, &DataEnv::at(folder.path()), &Silent).unwrap();
    let intact = std::fs::read(&archive).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    let error_of = |bytes: &[u8]| {
        std::fs::write(&archive, bytes).unwrap();
        let error = import_archive(&archive, &DataEnv::at(&elsewhere), &Silent).unwrap_err();
        assert!(error.hint.contains("copy the archive again"), "{error}");
        assert!(!elsewhere.join("carried").exists(), "the record of a damaged archive was saved");
        error.message
    };
    assert!(error_of(&intact[..intact.len() / 2]).contains("not a corpus archive, or truncated"));
    assert!(error_of(b"nothing").contains("not a corpus archive"));
    let mut flipped = intact.clone();
    let at = intact.windows(11).rposition(|name| name == b".corpus.zst").unwrap();
    let first = intact.windows(11).position(|name| name == b".corpus.zst").unwrap();
    assert!(first < at, "the name is before the bytes and in the directory of the zip");
    flipped[first + 60] ^= 0x55;
    assert!(error_of(&flipped).contains("0/16.corpus.zst is damaged"));
    let mut empty = ZipWriter::new(io::Cursor::new(Vec::new()));
    empty
        .start_file("other", SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
        .unwrap();
    assert!(error_of(&empty.finish().unwrap().into_inner()).contains("holds no corpus"));
    let missing = import_archive(&folder.path().join("none"), &DataEnv::at(&elsewhere), &Silent).unwrap_err();
    assert!(missing.message.contains("cannot read "), "{missing}");
}

/// Two archives of one data section, whose text changed between them.
#[test]
fn an_archive_replaces_no_text_that_is_here() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let here = DataEnv::at(&folder.path().join("here"));
    let data = a_text(folder.path(), 150);
    export_archive(&[(&data, vec![16])], &first, &here, &Silent).unwrap();
    // What the machine made itself, and what is imported twice, stays.
    import_archive(&first, &here, &Silent).unwrap();
    import_archive(&first, &here, &Silent).unwrap();
    let corpus = open_corpus(&data, 16, &here, &Silent).unwrap().provenance();

    a_text(folder.path(), 120);
    export_archive(&[(&data, vec![16])], &second, &DataEnv::at(&folder.path().join("there")), &Silent)
        .unwrap();
    let error = import_archive(&second, &here, &Silent).unwrap_err();
    assert!(error.message.contains(" is of another text or tokenizer than the archive's "), "{error}");
    // The same name in the cache, and other bytes.
    let corpora = |env: &DataEnv| {
        std::fs::read_dir(env.cache.join("corpora")).unwrap().map(|file| file.unwrap().path())
    };
    let ours = corpora(&here).next().unwrap();
    let theirs = corpora(&DataEnv::at(&folder.path().join("there"))).next().unwrap();
    std::fs::copy(theirs, &ours).unwrap();
    let error = import_archive(&first, &here, &Silent).unwrap_err();
    assert!(error.message.ends_with(" holds another corpus of this text than the archive"), "{error}");
    assert_eq!(corpora(&here).count(), 1, "no temporary file stays");
    std::fs::remove_file(ours).unwrap();
    import_archive(&first, &here, &Silent).unwrap();
    a_text(folder.path(), 150);
    assert_eq!(open_corpus(&data, 16, &here, &Silent).unwrap().provenance(), corpus);
}
