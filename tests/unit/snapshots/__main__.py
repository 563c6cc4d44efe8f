"""Write the snapshots anew; `git diff tests/unit/snapshots` shows what changed."""

from tests.unit.snapshots.rendered import EXPECTED, load_settings, rendered, stored


def main() -> None:
    """Make expected/ exactly what the renderers give."""
    texts = rendered(load_settings())
    for name in stored().keys() - texts.keys():
        (EXPECTED / name).unlink()
    for name, text in texts.items():
        file = EXPECTED / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


if __name__ == "__main__":
    main()
