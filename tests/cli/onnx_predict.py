"""Checks an ONNX model and answers the rows of a CSV file, as `hop predict` prints them:

    python onnx_predict.py MODEL.onnx ROWS.csv > ANSWERS.csv

The model does all the work: cells go in as they are, a cell that is empty or "?" as NaN where a number belongs.
"""
import csv
import json
import sys

import numpy as np
import onnx
import onnxruntime

DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(uint8)": np.uint8,
          "tensor(int32)": np.int32, "tensor(int64)": np.int64, "tensor(string)": object}


def as_input(cells, given):
    """Cells of a column or of a row's columns, as an array of the input's type."""
    dtype = DTYPES[given.type]
    if dtype is object:
        return np.array(cells, dtype=object)
    return np.array([[np.nan if cell in ("", "?") else float(cell) for cell in row] for row in cells]).astype(dtype)


def main(path, rows):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    schema = json.loads(metadata["schema"])
    with open(rows, newline="", encoding="utf-8") as file:
        records = list(csv.reader(file))
    inputs = session.get_inputs()
    if "table" not in schema:  # pictures and arrays: rows without a header
        feeds = {inputs[0].name: as_input(records, inputs[0]).reshape(-1, *inputs[0].shape[1:])}
    else:
        names = [column["name"] for column in schema["table"] if column["kind"] in ("number", "category")]
        places = [records[0].index(name) for name in names]
        if len(inputs) == 1 and inputs[0].name == "rows":
            places = [places]
        else:
            places = [[place] for place in places]
        feeds = {given.name: as_input([[record[at] for at in place] for record in records[1:]], given)
                 for given, place in zip(inputs, places, strict=True)}
    answers = dict(zip([output.name for output in session.get_outputs()], session.run(None, feeds)))
    table = csv.writer(sys.stdout, lineterminator="\n")
    if "values" in answers:
        table.writerow([column["name"] for column in schema["targets"]])
        table.writerows(answers["values"].tolist())
    else:
        classes = json.loads(metadata["classes"]) or range(answers["probabilities"].shape[1])
        table.writerow(["class"] + [f"p({name})" for name in classes])
        table.writerows([label] + row.tolist() for label, row in zip(answers["label"], answers["probabilities"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
