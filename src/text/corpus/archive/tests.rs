//! Parcels there and back, and what is wrong with some.

use super::*;
use crate::experiment::TokenizerSpec;
use crate::records::Silent;
use crate::text::corpus::open_corpus;

const SENTENCES: [&str; 4] =
    ["The cat saw the dog.", "A dog ran home.", "Seven birds sang in the tree.", "It rained all day."];

/// A folder with a text of `n` documents, and the data section that names it, with a vocabulary of its own.
fn a_text(folder: &Path, n: usize) -> DataSpec {
    let document = |index: usize| SENTENCES.map(|sentence| format!("{sentence} {index}\n")).concat();
    let text: String = (0..n).map(|index| document(index) + "\n").collect();
    let path = folder.join("text.txt");
    std::fs::write(&path, text).unwrap();
    DataSpec::Files {
        paths: vec![path.display().to_string()],
        column: "text".into(),
        max_documents: None,
        tokenizer: TokenizerSpec::Own { size: 60, documents: 100 },
    }
}

#[test]
fn a_text_is_the_same_elsewhere() {
    let [here, there] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (data, parcel) = (a_text(here.path(), 150), here.path().join("text.parcel"));
    let [from, to] = [DataEnv::at(here.path()), DataEnv::at(there.path())];
    let texts = [(&data, vec![16, 32])];
    let packed = pack(&texts, &parcel, &from, &Silent).unwrap();
    assert!(
        packed.len() == 2 && packed.iter().all(|corpus| corpus.packed_bytes < corpus.bytes),
        "{packed:?}"
    );
    let error = pack(&texts, &parcel, &from, &Silent).unwrap_err();
    assert!(error.message.ends_with("text.parcel is there already"), "{error}");

    let corpora: Vec<_> = [16, 32].map(|len| open_corpus(&data, len, &from, &Silent).unwrap()).into();
    let expected_tokenizer = open_text(&data, &from, &Silent).unwrap().tokenizer;
    std::fs::remove_file(here.path().join("text.txt")).unwrap();
    let missing = open_corpus(&data, 16, &to, &Silent).unwrap_err();
    assert_eq!(unpack(&parcel, &to, &Silent).unwrap(), packed);
    for (len, expected) in [16, 32].into_iter().zip(corpora) {
        let corpus = open_corpus(&data, len, &to, &Silent).unwrap();
        assert_eq!(corpus.provenance(), expected.provenance());
        assert_eq!(corpus.batch_at(3, 7, 5), expected.batch_at(3, 7, 5));
        assert_eq!(corpus.validation_batch(0, 2), expected.validation_batch(0, 2));
    }
    let tokenizer = crate::text::tokenizer::open::open_tokenizer(&data, &to, &Silent).unwrap();
    assert_eq!(tokenizer.hash(), expected_tokenizer.hash());
    let encode = |tokenizer: &Tokenizer| tokenizer.encode("The dog sang [MASK].").unwrap();
    assert_eq!(encode(&tokenizer), encode(&expected_tokenizer));

    // Another length is not there, and the error says what the text's own would.
    let error = open_corpus(&data, 64, &to, &Silent).unwrap_err();
    assert!(error.message.starts_with(&missing.message), "{error}");
    assert!(error.message.ends_with("and was not unpacked here for sequences of 64 tokens"), "{error}");
    assert!(error.hint.starts_with("pack it with --set train.seq_len=64 where the text is, or: "), "{error}");
}

#[test]
fn what_is_no_parcel_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, parcel) = (a_text(folder.path(), 20), folder.path().join("text.parcel"));
    pack(&[(&data, vec![16])], &parcel, &DataEnv::at(folder.path()), &Silent).unwrap();
    let whole = std::fs::read(&parcel).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    let refusal = |bytes: &[u8]| {
        std::fs::write(&parcel, bytes).unwrap();
        let error = unpack(&parcel, &DataEnv::at(&elsewhere), &Silent).unwrap_err();
        assert!(error.hint.contains("copy it again"), "{error}");
        assert!(!elsewhere.join("carried").exists(), "nothing of it is used");
        error.message
    };
    assert!(refusal(&whole[..whole.len() / 2]).contains("it is no parcel, or it is cut off"));
    assert!(refusal(b"nothing").contains("it is no parcel"));
    let mut flipped = whole.clone();
    let at = whole.windows(11).rposition(|name| name == b".corpus.zst").unwrap();
    let first = whole.windows(11).position(|name| name == b".corpus.zst").unwrap();
    assert!(first < at, "the name stands before the bytes and in the directory");
    flipped[first + 60] ^= 0x55;
    assert!(refusal(&flipped).contains("0/16.corpus.zst is damaged"));
    let mut empty = ZipWriter::new(io::Cursor::new(Vec::new()));
    empty
        .start_file("other", SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
        .unwrap();
    assert!(refusal(&empty.finish().unwrap().into_inner()).contains("it holds no corpus"));
    let missing = unpack(&folder.path().join("none"), &DataEnv::at(&elsewhere), &Silent).unwrap_err();
    assert!(missing.message.contains("cannot be read"), "{missing}");
}
