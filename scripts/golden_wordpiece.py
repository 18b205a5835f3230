"""Golden WordPiece ids: what transformers' BertTokenizerFast makes of a list of nasty texts.

Versions: pip install torch==2.15.0 transformers==5.23.0 (with tokenizers 0.23.3)

    python scripts/golden_wordpiece.py --bert VOCAB.TXT

VOCAB.TXT is the vocabulary of google-bert/bert-base-uncased; the small vocabulary is tests/golden/vocabulary.txt.
Writes tests/golden/wordpiece.json, one entry a text with its ids by both vocabularies, without [CLS] and [SEP].

Text that spells a special token is read as text (split_special_tokens=True), as electra-lab does on purpose: training
text cannot smuggle a [MASK] in. The script checks that this choice changes nothing for the other texts, and that it
does change each text marked SPELLS.
"""

import argparse
import json
from pathlib import Path

import tokenizers
import transformers

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"

PLAIN = {
    "empty": "",
    "only spaces": "   ",
    "words and pieces": "The unaffable cat played, the CATS are playing unaffably.",
    "accents, composed": "Café naïve résumé Ångström Łódź Đà Nẵng",
    "accents, decomposed": "Cafe\u0301 nai\u0308ve re\u0301sume\u0301 A\u030angstro\u0308m",
    "combining marks alone": "\u0301 \u0308\u0301 a \u0327",
    "stacked combining marks": "z\u0351\u036b\u0343a\u0313\u0301l\u0322\u034fg\u0338o\u0360",
    "enclosing mark": "a\u20dd 1\ufe0f\u20e3",
    "Turkish dotted and dotless i": "İstanbul ISPARTA ıssız Iğdır i\u0307",
    "sharp s": "Straße STRASSE ẞtraße ß",
    "Greek with final sigma": "ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ ας ω",
    "Nordic and other Latin": "Ærø Œuvre þorn ðat ĳ ŉ ǅ",
    "Cyrillic": "Москва ЙОД Ёлка стоит",
    "Hebrew with points": "שָׁלוֹם עולם",
    "Arabic with vowels and tatweel": "السَّلَامُ عليكم ـــ مـع",
    "Devanagari": "नमस्ते दुनिया क्षेत्र",
    "Thai": "สวัสดีชาวโลก ภาษาไทย",
    "Chinese": "我在中文大学学漢字。",
    "Chinese outside the first plane": "𠀀𠀁 \U0002a6d6 \U0002f800 \uf900",
    "Japanese": "日本語のカタカナとひらがな、ﾊﾝｶｸ ーヘ",
    "voiced kana": "がギ か\u3099 パ",
    "Korean, composed and decomposed": "한글 \u1112\u1161\u11ab ㅋㅋ",
    "mixed scripts in a word": "catкот中cat文αβcat",
    "CJK symbols": "〇〆々 ㊙ ㍿ ⼀ ⺀ 、。「」",
    "full width": "Ｔｈｅ　ｃａｔ，ａｂｃ１２３！ ａｂ ｃ",
    "emoji": "😀 cat😀cat 👍🏽 ❤️ ❤ ♥",
    "emoji joined by ZWJ": "👩‍💻 👨‍👩‍👧‍👦 🏳️‍🌈",
    "flags": "🇩🇪 🇩🇪🇫🇷 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "keycap": "#️⃣ 1️⃣",
    "control characters": "th\x01e\x02 ca\x1ft \x7f pl\x80ay\x9fed",
    "NUL": "the\x00cat \x00",
    "U+FFFD": "the\ufffdcat \ufffd",
    "tabs and newlines": "the\tcat\nplay\r\nsat\x0bof\x0ca",
    "Unicode spaces": "the\u00a0cat\u2003play\u3000sat\u202fof\u1680a\u205fthe",
    "line and paragraph separators": "the\u2028cat\u2029play\u0085sat",
    "zero width": "the\u200bcat play\u200ced play\u200ding \u2060word\ufeff the",
    "soft hyphen": "play\u00ading \u00ad un\u00adaff\u00adable",
    "bidirectional marks": "\u202ethe cat\u202c \u200fsat\u200e \u2066a\u2069",
    "private use": "the\ue000cat \uf8ff \U000f0000a \U0010fffd",
    "not characters": "a\ufdd0b c\ufffe d\uffff e\U0001fffff",
    "unassigned": "a\u0378b \U000e0080 cat\u2fe0",
    "variation selectors": "a\ufe0eb 葛\U000e0100",
    "ligatures": "ﬁne ﬂat eﬃcient ﬆ \ufb4f \ufdfa",
    "compatibility forms": "½ x² H₂O № Ⅷ ⅷ ™ ① ㎏ ℌ 𝓣𝓱𝓮 𝟘",
    "ASCII punctuation in a run": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "punctuation between letters": "the.cat,play;sat:of!a?a-a_a/a\\a'a\"a",
    "repeated punctuation": "...!!!??? --- ___ ''' \"\"\"",
    "Unicode punctuation": "“the”–cat—play… ‘a’ «b» ¿c? ¡d! ·e· •f",
    "symbols that are not punctuation": "€5 £6 ©a °C ±1 a×b a÷b a→b ∑ √ ^ ` + < = > | ~ $",
    "URLs and code": "https://example.org/a_b?c=d&e=f#g x->y[0] += f(1.5e-3); user@example.com",
    "contractions": "don't can't we're it's o'clock 'tis",
    "numbers": "1,234.56 007 3/4 1e-6 2020-03-23 ١٢٣ १२३",
    "99 characters": "a" * 99,
    "100 characters": "a" * 100,
    "101 characters": "a" * 101,
    "200 characters": "ab" * 100,
    "101 characters that cannot be split": "the " + "q" * 101 + " cat",
    "100 characters and a mark": "a" * 100 + "." + "a" * 100,
    "100 accented letters, 200 code points": "e\u0301" * 100,
    "101 accented letters, composed": "é" * 101,
    "100 letters and 50 that vanish": "a" * 50 + "\u200b" * 50 + "a" * 50,
    "100 letters with soft hyphens among them": "a\u00ad" * 50 + "a" * 50,
    "lower case makes it longer": "İ" * 60,
    "101 Chinese characters": "中" * 101,
    "a word that no piece begins": "ツツ cat",
    "a word that no piece goes on": "catツ cat",
    "upper case of special letters": "ΆΈ ǄǅǇ ẞ ﬀ Ω K Å",
    "Vietnamese": "Tiếng Việt ướ ặ",
    "Hangul and Latin": "cat한the글",
    "Tibetan, Georgian, Armenian, Ethiopic": "བོད ქართული ՀԱՅ አማርኛ",
    "Cherokee and Georgian capitals": "ᏣᎳᎩ ꭰꭱ ᲐᲑᲒ აბგ",
    "Khmer, Burmese, Tamil": "ភាសា မြန်မာ தமிழ்",
    "an unfinished special token": "[MASK [CLS MASK] [ SEP ] [mask] [Pad]",
}

SPELLS = {
    "a special token among words": "the [MASK] cat",
    "special tokens without spaces": "the[SEP]cat[CLS][PAD][UNK]play[MASK]ed",
    "only a special token": "[MASK]",
    "special tokens in doubled brackets": "[[MASK]] [[CLS]",
}


def ids(tokenizer, text, as_text):
    return tokenizer(text, add_special_tokens=False, split_special_tokens=as_text)["input_ids"]


def entry(name, text, tokenizers_by_name):
    found = {"name": name, "text": text}
    for key, tokenizer in tokenizers_by_name.items():
        found[key] = ids(tokenizer, text, True)
        differs = found[key] != ids(tokenizer, text, False)
        assert differs == (name in SPELLS), f"{name}: split_special_tokens"
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bert", required=True, help="vocab.txt of google-bert/bert-base-uncased")
    arguments = parser.parse_args()
    tokenizers_by_name = {
        "small": transformers.BertTokenizerFast(vocab=str(GOLDEN / "vocabulary.txt")),
        "bert": transformers.BertTokenizerFast(vocab=arguments.bert),
    }
    entries = [entry(name, text, tokenizers_by_name) for name, text in (PLAIN | SPELLS).items()]
    made_by = f"scripts/golden_wordpiece.py, transformers {transformers.__version__}, tokenizers {tokenizers.__version__}"
    lines = ",\n".join(json.dumps(found) for found in entries)
    text = f'{{"made_by": {json.dumps(made_by)},\n"texts": [\n{lines}\n]}}\n'
    (GOLDEN / "wordpiece.json").write_text(text, encoding="ascii")
    n_unknown = sum(found["small"].count(1) for found in entries)
    n_ids = sum(len(found["small"]) for found in entries)
    print(f"{len(entries)} texts, {n_ids} ids with the small vocabulary, {n_unknown} of them [UNK]")


if __name__ == "__main__":
    main()
