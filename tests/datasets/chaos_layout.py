"""Small abdomens, written in the layouts that `chaos.load` reads."""

import numpy as np
import pydicom
from acdc_layout import write_volume
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

GREYS = np.array([0, 63, 126, 189, 252], "uint8")
SHAPE = (4, 6, 5)
SPACING = (7.5, 1.5, 1.25)  # slices, rows, columns, mm
AXIAL = (1, 0, 0, 0, 1, 0)
AFFINE = np.diag([1.25, 1.5, 7.5, 1.0])


def abdomen(seed, shape=SHAPE):
    """Grey levels and labels (0 to 4), (D, H, W), the feet first."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 5, shape).astype("uint8")
    return rng.integers(0, 2000, shape).astype("uint16"), label


def dicom(pixels, height, **changes):
    """A slice at a height in mm; a change of None leaves an element out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    elements = {
        "Rows": pixels.shape[0], "Columns": pixels.shape[1], "SamplesPerPixel": 1,
        "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelSpacing": list(SPACING[1:]), "ImageOrientationPatient": list(AXIAL),
        "ImagePositionPatient": [-10.0, 20.0, height],
        "PixelData": pixels.astype("<u2").tobytes(),
    }  # fmt: skip
    for name, value in (elements | changes).items():
        if value is not None:
            setattr(dataset, name, value)
    return dataset


def write_series(folder, image, names, **changes):
    """The slices of an image, from the feet up, under the names given."""
    folder.mkdir(parents=True)
    for z, (pixels, name) in enumerate(zip(image, names, strict=True)):
        dataset = dicom(pixels, -30 + SPACING[0] * z, **changes)
        dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)


def write_ground(folder, values, names):
    """Pictures of grey values, (D, H, W)."""
    folder.mkdir(parents=True, exist_ok=True)
    for plane, name in zip(values, names, strict=True):
        Image.fromarray(plane).save(folder / f"{name}.png")


def names_of(first, step=1, count=SHAPE[0]):
    """File names in which the head comes first, as in some of the challenge's."""
    return [f"IMG-0004-{first + step * k:05d}" for k in reversed(range(count))]


def write_t2(root, number, seed=None, names=None, **changes):
    """A patient's T2SPIR; `changes` go into every slice. Returns the folder."""
    image, label = abdomen(number if seed is None else seed)
    folder = root / str(number) / "T2SPIR"
    names = names or names_of(9)  # ... 9, 10, 11: their order as texts is another
    write_series(folder / "DICOM_anon", image, names, **changes)
    write_ground(folder / "Ground", GREYS[label], names)
    return folder


def write_dual(root, number):
    """Both images of T1DUAL; the pictures have the names of InPhase."""
    folder, label = root / str(number) / "T1DUAL", abdomen(number)[1]
    for k, phase in enumerate(("OutPhase", "InPhase")):
        image = abdomen(100 * (k + 1) + number)[0]
        write_series(folder / "DICOM_anon" / phase, image, names_of(1 + k, 2))
    write_ground(folder / "Ground", GREYS[label], names_of(2, 2))
    return folder


def write_ct(root, number):
    """CT: other names, a liver of 255, levels that start at -1024."""
    image, label = abdomen(number)
    folder = root / str(number)
    names = [f"i{k:04d},0000b" for k in range(len(image))]
    write_series(folder / "DICOM_anon", image, names, RescaleIntercept=-1024)
    liver = np.where(label == 1, 255, 0).astype("uint8")
    write_ground(folder / "Ground", liver, [f"liver_GT_{k:03d}" for k in range(4)])
    return folder


def write_nifti_case(root, number):
    """`N/image.nii.gz` and `N/label.nii.gz`."""
    folder = root / str(number)
    folder.mkdir(parents=True)
    for name, array in zip(("image", "label"), abdomen(number), strict=True):
        write_volume(folder / f"{name}.nii.gz", array, AFFINE)
    return folder
