"""How the pages of this folder write names."""


def code(text):
    return "`" + text.replace("|", "\\|") + "`"


def words(items):
    return ", ".join(code(item) for item in sorted(items))
