"""`make demo`: the main job end to end, in minutes.

    python -m benchmarks.demo [--scenes 600] [--epochs 40]

Renders scenes (once), fits InsideEncoderDecoder with `model.fit`, compares it on the
test scenes with the weights that are shipped, and draws one image steered to each of
the four quadrants.
"""

import argparse
import time

import keras

from benchmarks import clevr_seg as study_of_clevr
from benchmarks import pictures, study, training
from keras_condattn.applications import InsideEncoderDecoder
from keras_condattn.datasets import Batches, clevr_seg
from keras_condattn.metrics import DiceScore

SIZE = 96
FOLDER = study.ROOT / ".cache" / "demo_clevr_seg"
PICTURE = study.OUTPUTS / "demo.png"
TABLE = study.OUTPUTS / "demo.md"
MODEL = study.OUTPUTS / "demo.keras"


def fit(options):
    """`InsideEncoderDecoder` from scratch, by `model.fit`."""
    keras.utils.set_random_seed(0)
    source = clevr_seg.load(FOLDER, "train", pairs="fresh", cache=True)
    model = study_of_clevr.build("inside", SIZE)
    # Few scenes: a larger step than the study's learns as much in a third of the time.
    model.compile(
        keras.optimizers.Adam(2e-3), study_of_clevr.focal_loss(), metrics=[DiceScore()]
    )
    batches = Batches(source, batch_size=16, shuffle=True)
    seen = Batches(clevr_seg.load(FOLDER, "validation", cache=True), batch_size=16)
    model.fit(batches, validation_data=seen, epochs=options.epochs)
    return model


def compare(models, batches):
    """Markdown: what each model reaches on scenes nobody trained on."""
    rows = []
    for name, model in models.items():
        dice = training.measure(model, batches)
        row = [name, f"{dice['hard_dice']:.3f}", f"{dice['soft_dice']:.3f}"]
        rows.append([*row, dice["images"]])
    header = ["InsideEncoderDecoder", "hard Dice", "soft Dice", "test images"]
    return study.markdown(header, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    begin = time.time()
    print(f"1/3  Rendering {options.scenes} scenes (or finding them) in {FOLDER}")
    clevr_seg.render(FOLDER, scenes=options.scenes, size=SIZE, seed=7)
    print(f"2/3  Fitting InsideEncoderDecoder on {keras.backend.backend()}")
    fitted = fit(options)
    print("3/3  Comparing with the shipped weights on the test scenes")
    shipped = InsideEncoderDecoder(weights="clevr_seg_inside")
    test = clevr_seg.load(FOLDER, "test")
    name = f"fitted just now, {options.epochs} epochs"
    models = {name: fitted, 'weights="clevr_seg_inside"': shipped}
    table = compare(models, Batches(test, batch_size=16))
    items = test.steer(most_crowded(test))
    viewer = InsideEncoderDecoder(weights="clevr_seg_inside", return_attention=True)
    pictures.steering(
        PICTURE, items, test.conditions, *pictures.look(shipped, viewer, items),
        "One image, four conditions: InsideEncoderDecoder (shipped weights)",
    )  # fmt: skip
    fitted.save(MODEL)
    TABLE.write_text(table + "\n")
    print(f"\n{table}\n")
    print(f"picture  {PICTURE}\ntable    {TABLE}\nmodel    {MODEL}")
    print(f"{(time.time() - begin) / 60:.1f} minutes")


def most_crowded(source):
    """The scene with objects in all quadrants and most pixels in its emptiest."""
    areas = [[i["label"].sum() for i in source.steer(k)] for k in range(len(source))]
    return max(range(len(source)), key=lambda k: min(areas[k]))


if __name__ == "__main__":
    main()
