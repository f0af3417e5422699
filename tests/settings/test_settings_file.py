"""A settings file in which one value is changed, and everything else stays as it was."""

import os
import stat
from pathlib import Path

import pytest

from facerec_mqtt.core.errors import SettingsError
from facerec_mqtt.settings.env_file import (
    can_be_replaced,
    read_settings_file,
    replace_settings_file,
    setting_in,
    with_setting,
)
from facerec_mqtt.settings.loading import CAMERAS, load_settings, save_cameras, setting_names

VALUE = """[{"name":"it's","password":"a\\\\b#c ${HOME}"}]"""
QUOTED = """'[{"name":"it\\'s","password":"a\\\\\\\\b#c ${HOME}"}]'"""


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A=1\n# x\nFACEREC_CAMERAS='[1]'  # mine\nB=2", f"A=1\n# x\nFACEREC_CAMERAS={QUOTED}  # mine\nB=2"),
        (
            'export facerec_cameras = [{"p":"x#y"}] # c\r\nB=2\r\n',
            f"export facerec_cameras = {QUOTED} # c\r\nB=2\r\n",
        ),
        ("\n\nFACEREC_CAMERAS='[\n  1,\n  2\n]'#c\nY=1\n", f"\n\nFACEREC_CAMERAS={QUOTED}#c\nY=1\n"),
        ('FACEREC_CAMERAS="[\\"a\\"]"\nZ=', f"FACEREC_CAMERAS={QUOTED}\nZ="),
        # What is quoted elsewhere is no setting of ours, and of two settings the last one counts.
        (
            "X='\nFACEREC_CAMERAS=3'\nFACEREC_CAMERAS=[1]\nFACEREC_CAMERAS=[2]\n",
            f"X='\nFACEREC_CAMERAS=3'\nFACEREC_CAMERAS=[1]\nFACEREC_CAMERAS={QUOTED}\n",
        ),
        ("\ufeffA=1", f"\ufeffA=1\nFACEREC_CAMERAS={QUOTED}\n"),
        ("A=1\r\n# FACEREC_CAMERAS=[]\r\n", f"A=1\r\n# FACEREC_CAMERAS=[]\r\nFACEREC_CAMERAS={QUOTED}\r\n"),
        ("", f"FACEREC_CAMERAS={QUOTED}\n"),
    ],
    ids=["comment", "export", "several lines", "double quotes", "twice", "mark", "missing", "empty"],
)
def test_one_value_is_changed_and_no_other_letter(before: str, after: str, tmp_path: Path) -> None:
    changed = with_setting(before.encode(), CAMERAS, VALUE)
    assert changed.decode() == after
    assert setting_in(changed, CAMERAS) == VALUE
    file = tmp_path / ".env"
    file.write_bytes(changed)
    assert VALUE in read_settings_file(file).values()


@pytest.mark.parametrize("content", [b"A='open\nB=1\n", b"\xff\xfe", b"=\n"])
def test_what_is_no_settings_file_is_not_changed(content: bytes) -> None:
    with pytest.raises(SettingsError):
        with_setting(content, CAMERAS, VALUE)


def settings_file(folder: Path) -> Path:
    file = folder / "house.env"
    file.write_text("FACEREC_MQTT__PORT=1999 # ours\nFACEREC_CAMERAS=[]\n")
    file.chmod(0o640)
    return file


def test_a_file_that_is_saved_keeps_its_mode_and_a_link_to_it_stays_one(tmp_path: Path) -> None:
    file, link = settings_file(tmp_path), tmp_path / ".env"
    link.symlink_to(file)
    save_cameras(link, file.read_bytes(), '[{"name":"door","url":"0"}]')
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert (
        file.read_text()
        == 'FACEREC_MQTT__PORT=1999 # ours\nFACEREC_CAMERAS=\'[{"name":"door","url":"0"}]\'\n'
    )
    assert [camera.slug for camera in load_settings(link).cameras] == ["door"]
    assert sorted(each.name for each in tmp_path.iterdir()) == [".env", "house.env"]


def test_a_file_that_gets_a_password_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = settings_file(tmp_path)
    save_cameras(file, file.read_bytes(), '[{"name":"door","url":"0","password":"p"}]', is_secret=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("cameras", "said"),
    [
        ('[{"name":"door","url":"0","min_face_px":3}]', "min_face_px"),
        ('[{"name":"door","url":"0"},{"name":"Door","url":"1"}]', "rename one"),
        ("[{", "not valid JSON"),
    ],
)
def test_what_would_not_be_valid_is_not_written(cameras: str, said: str, tmp_path: Path) -> None:
    file = settings_file(tmp_path)
    before = file.read_bytes()
    with pytest.raises(SettingsError, match=said) as caught:
        save_cameras(file, before, cameras)
    assert ".unfinished" not in str(caught.value)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_what_was_wrong_before_and_is_put_right_by_the_environment_keeps_nobody_from_saving(
    tmp_path: Path,
) -> None:
    file = settings_file(tmp_path)
    file.write_text("FACEREC_WEB__HOST=0.0.0.0\nFACEREC_CAMERAS=[]\n")  # the password is in the environment
    save_cameras(file, file.read_bytes(), '[{"name":"door","url":"0"}]')
    assert '"door"' in file.read_text()


def test_a_file_that_was_changed_meanwhile_or_cannot_be_written_stays_as_it_is(tmp_path: Path) -> None:
    file = settings_file(tmp_path)
    before = file.read_bytes()
    with pytest.raises(SettingsError, match="changed meanwhile"):
        replace_settings_file(file, before + b"#", before, lambda _: None)
    tmp_path.chmod(0o500)
    try:
        if os.geteuid():
            assert not can_be_replaced(file)
            with pytest.raises(SettingsError, match="cannot be written"):
                replace_settings_file(file, before, before, lambda _: None)
    finally:
        tmp_path.chmod(0o700)
    assert can_be_replaced(file)
    assert not can_be_replaced(tmp_path / "nothing")
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
