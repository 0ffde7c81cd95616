"""The tables of DIN 91379: which characters and sequences it has, in which group, and how a letter is written in search form.

Derived from "DIN-91379-Characters-and-Sequences", version 1.3, by String-Latin
(https://github.com/String-Latin/DIN-91379-Characters-and-Sequences), licensed under CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). Changes: code points written as ranges, sequences gathered by their marks, letters by
their search form. See NOTICE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CHARACTERS: Final[Mapping[str, str]] = {
    "bll": (
        "41-5A 61-7A C0-D6 D8-F6 F8-17E 187-188 18F 197 1A0-1A1 1AF-1B0 1B7 1CD-1DC 1DE-1DF 1E2-1F0 1F4-1F5 1F8-1FF 212-213 "
        "218-21B 21E-21F 227-233 259 268 292 1E02-1E03 1E06-1E07 1E0A-1E11 1E17 1E1C-1E2B 1E2F-1E37 1E3A-1E3B 1E40-1E49 "
        "1E52-1E5B 1E5E-1E63 1E6A-1E6F 1E80-1E87 1E8C-1E97 1E9E 1EA0-1EF9"
    ),
    "bnlreq": "20 27 2C-2E 60 7E A8 B4 B7 2B9-2BA 2BE-2BF 2C8 2CC 2019 2021",
    "bnl": "21-26 28-2B 2F-40 5B-5F 7B-7D A1-A3 A5 A7 A9-AC AE-B3 B5-B6 B9-BB BF D7 F7 20AC",
    "bnlopt": "A4 A6 B8 BC-BE",
    "bnlnot": "9-A D A0",
    "gl": "386 388-38A 38C 38E-3A1 3A3-3CE",
    "cl": "40D 410-42A 42C 42E-44A 44C 44E-44F 45D",
    "enl": (
        "192 2B0 2B3 2C6 2DC 2E2 1D48 1D57 2018 201A 201C-201E 2020 2026 2030 2032-2033 2039-203A 2070 2074-2079 207F-2089 2122 "
        "221E 2264-2265"
    ),
    "dc": "300-302 304 306-308 30B-30D 310 315 31B 323 325-328 331 35F",
}
"""Single characters of each group of the table: code points and ranges of them, hexadecimal. `dc` are the marks."""

SEQUENCES: Final[Mapping[str, str]] = {
    "030B": "Aa",
    "0300": "CFGKMPSTZcfgkmpstz",
    "0304": "CFHKNPSTZcfhknpstzÛûḲḳṢṣṬṭỤụ",
    "0306": "CMNRZcmnrzÇç",
    "0308": "CTZczẠạỌọỤụ",
    "0315": "CKPTckptČč",
    "0323": "CPcpČč",
    "0326": "CHKLNchklnŽž",
    "0328 0306": "Cc",
    "0302": "DKLMNdklmn",
    "0331": "HSs",
    "0301": "JjÿĪī",
    "030C": "J",
    "0307": "KUku",
    "031B": "KTkt",
    "035F 0048": "K",
    "035F 0068": "Kk",
    "0325": "LRlr",
    "0325 0304": "LRlr",
    "0310": "Mm",
    "031B 0304": "Ss",
    "0327": "ZzŽž",
    "030D": "ēō",
}
"""What follows a letter, by the letters that it follows: code points, hexadecimal. All sequences are of the group `bll`."""

SEARCH_FORM: Final[Mapping[str, str]] = {
    "A": "A A̋ a a̋ À Á Â Ã à á â ã Ā ā Ă ă Ą ą Ǎ ǎ ȧ Ạ ạ Ả ả Ấ ấ Ầ ầ Ẩ ẩ Ẫ ẫ Ậ ậ Ắ ắ Ằ ằ Ẳ ẳ Ẵ ẵ Ặ ặ",
    "AA": "Å å Ǻ ǻ",
    "AE": "Ä Æ ä æ Ǟ ǟ Ǣ ǣ Ǽ ǽ Ạ̈ ạ̈",
    "B": "B b Ḃ ḃ Ḇ ḇ",
    "C": "C C̀ C̄ C̆ C̈ C̕ C̣ C̦ C̨̆ c c̀ c̄ c̆ c̈ c̕ c̣ c̦ c̨̆ Ç Ç̆ ç ç̆ Ć ć Ĉ ĉ Ċ ċ Č Č̕ Č̣ č č̕ č̣ Ƈ ƈ",
    "D": "D D̂ d d̂ Ð ð Ď ď Đ đ Ḋ ḋ Ḍ ḍ Ḏ ḏ Ḑ ḑ",
    "E": "E e È É Ê Ë è é ê ë Ē ē ē̍ Ĕ ĕ Ė ė Ę ę Ě ě Ə Ȩ ȩ ə ḗ Ḝ ḝ Ẹ ẹ Ẻ ẻ Ẽ ẽ Ế ế Ề ề Ể ể Ễ ễ Ệ ệ",
    "F": "F F̀ F̄ f f̀ f̄ Ḟ ḟ",
    "G": "G G̀ g g̀ Ĝ ĝ Ğ ğ Ġ ġ Ģ ģ Ǥ ǥ Ǧ ǧ Ǵ ǵ Ḡ ḡ",
    "H": "H H̄ H̦ H̱ h h̄ h̦ Ĥ ĥ Ħ ħ Ȟ ȟ Ḣ ḣ Ḥ ḥ Ḧ ḧ Ḩ ḩ Ḫ ḫ ẖ",
    "I": "I i Ì Í Î Ï ì í î ï Ĩ ĩ Ī Ī́ ī ī́ Ĭ ĭ Į į İ ı Ɨ Ǐ ǐ ɨ ḯ Ỉ ỉ Ị ị",
    "IJ": "Ĳ ĳ",
    "J": "J J́ J̌ j j́ Ĵ ĵ ǰ",
    "K": "K K̀ K̂ K̄ K̇ K̕ K̛ K̦ k k̀ k̂ k̄ k̇ k̕ k̛ k̦ Ķ ķ ĸ Ǩ ǩ Ḱ ḱ Ḳ Ḳ̄ ḳ ḳ̄ Ḵ ḵ",
    "KH": "K͟H K͟h k͟h",
    "L": "L L̂ L̥ L̥̄ L̦ l l̂ l̥ l̥̄ l̦ Ĺ ĺ Ļ ļ Ľ ľ Ŀ ŀ Ł ł Ḷ ḷ Ḻ ḻ",
    "M": "M M̀ M̂ M̆ M̐ m m̀ m̂ m̆ m̐ Ṁ ṁ Ṃ ṃ",
    "N": "N N̂ N̄ N̆ N̦ n n̂ n̄ n̆ n̦ Ñ ñ Ń ń Ņ ņ Ň ň ŉ Ŋ ŋ Ǹ ǹ Ṅ ṅ Ṇ ṇ Ṉ ṉ",
    "O": ("O o Ò Ó Ô Õ ò ó ô õ Ō ō ō̍ Ŏ ŏ Ő ő Ơ ơ Ǒ ǒ Ǫ ǫ Ǭ ǭ Ȭ ȭ Ȯ ȯ Ȱ ȱ Ṓ ṓ Ọ ọ Ỏ ỏ Ố ố Ồ ồ Ổ ổ Ỗ ỗ Ộ ộ Ớ ớ Ờ ờ Ở ở Ỡ ỡ Ợ ợ"),
    "OE": "Ö Ø ö ø Œ œ Ǿ ǿ Ȫ ȫ Ọ̈ ọ̈",
    "P": "P P̀ P̄ P̕ P̣ p p̀ p̄ p̕ p̣ Ṕ ṕ Ṗ ṗ",
    "Q": "Q q",
    "R": "R R̆ R̥ R̥̄ r r̆ r̥ r̥̄ Ŕ ŕ Ŗ ŗ Ř ř Ȓ ȓ Ṙ ṙ Ṛ ṛ Ṟ ṟ",
    "S": "S S̀ S̄ S̛̄ S̱ s s̀ s̄ s̛̄ s̱ Ś ś Ŝ ŝ Ş ş Š š Ș ș Ṡ ṡ Ṣ Ṣ̄ ṣ ṣ̄",
    "SS": "ß ẞ",
    "T": "T T̀ T̄ T̈ T̕ T̛ t t̀ t̄ t̕ t̛ Ţ ţ Ť ť Ŧ ŧ Ț ț Ṫ ṫ Ṭ Ṭ̄ ṭ ṭ̄ Ṯ ṯ ẗ",
    "TH": "Þ þ",
    "U": "U U̇ u u̇ Ù Ú Û Û̄ ù ú û û̄ Ũ ũ Ū ū Ŭ ŭ Ů ů Ű ű Ų ų Ư ư Ǔ ǔ Ụ Ụ̄ ụ ụ̄ Ủ ủ Ứ ứ Ừ ừ Ử ử Ữ ữ Ự ự",
    "UE": "Ü ü Ǖ ǖ Ǘ ǘ Ǚ ǚ Ǜ ǜ Ụ̈ ụ̈",
    "V": "V v",
    "W": "W w Ŵ ŵ Ẁ ẁ Ẃ ẃ Ẅ ẅ Ẇ ẇ",
    "X": "X x Ẍ ẍ",
    "Y": "Y y Ý ý ÿ ÿ́ Ŷ ŷ Ÿ Ȳ ȳ Ẏ ẏ Ỳ ỳ Ỵ ỵ Ỷ ỷ Ỹ ỹ",
    "Z": "Z Z̀ Z̄ Z̆ Z̈ Z̧ z z̀ z̄ z̆ z̈ z̧ Ź ź Ż ż Ž Ž̦ Ž̧ ž ž̦ ž̧ Ʒ Ǯ ǯ ʒ Ẑ ẑ Ẓ ẓ Ẕ ẕ",
}
"""Letters and sequences, apart by blanks, by the form in which names are searched for."""
