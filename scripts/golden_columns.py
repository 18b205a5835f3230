#!/usr/bin/env python3
"""Writes tests/golden/columns.parquet and squad_list.parquet: Parquet with types that other programs write.

  python3 scripts/golden_columns.py        (needs pyarrow)
"""
import decimal
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = pathlib.Path(__file__).parent.parent / "tests" / "golden"


def columns():
    numbers = [0, 1, None]
    texts = ["b", None, "b"]
    return pa.table({
        "text": pa.array(texts, pa.string()),
        "large_text": pa.array(texts, pa.large_string()),
        "category": pa.array(texts, pa.string()).dictionary_encode(),
        "nulls": pa.nulls(3),
        "int8": pa.array(numbers, pa.int8()),
        "uint8": pa.array(numbers, pa.uint8()),
        "int16": pa.array(numbers, pa.int16()),
        "uint16": pa.array(numbers, pa.uint16()),
        "bool": pa.array([False, True, None], pa.bool_()),
        "double": pa.array(numbers, pa.float64()),
        "decimal": pa.array([decimal.Decimal(0), decimal.Decimal(1), None], pa.decimal128(3, 0)),
    })


def squad_list():
    answer = pa.struct([("text", pa.string()), ("answer_start", pa.int32())])
    golds = [{"text": "1900", "answer_start": 9}, {"text": "in 1900", "answer_start": 6}]
    return pa.table({
        "id": ["q0", "q1"],
        "context": ["It is in 1900."] * 2,
        "question": ["When?", "Where?"],
        "answers": pa.array([golds, []], pa.list_(answer)),
    })


for name, table in [("columns", columns()), ("squad_list", squad_list())]:
    pq.write_table(table, FOLDER / f"{name}.parquet")
