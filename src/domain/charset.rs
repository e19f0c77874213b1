//! The characters that a key or a value may have, in the dialects that restrict them.
//!
//! The rule is described in `docs/SEMANTICS.md`, under "Characters".

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// Zero-width non-joiner and joiner, which control how adjacent letters are joined. The spelling of Persian, Hindi,
/// Bengali and other languages uses them.
const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

/// A character that a text may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Neither a letter nor a digit nor in `signs`.
    NotAllowed(char),
    /// A mark or a joiner that does not follow a letter.
    NoLetterBefore(char),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    /// Vowel signs, accents and other combining marks, which many scripts need.
    Mark,
    Joiner,
    DigitOrSign,
}

/// The first character that is neither a letter or digit of any language, nor a mark or joiner after a letter, nor in
/// `signs`.
pub fn first_wrong(text: &str, signs: &str) -> Option<Wrong> {
    let mut before = Kind::DigitOrSign;
    for c in text.chars() {
        let kind = kind_of(c);
        match kind {
            Kind::Letter => {}
            Kind::Mark if before != Kind::DigitOrSign => {}
            Kind::Joiner if matches!(before, Kind::Letter | Kind::Mark) => {}
            Kind::Mark | Kind::Joiner => return Some(Wrong::NoLetterBefore(c)),
            Kind::DigitOrSign if c.is_numeric() || signs.contains(c) => {}
            Kind::DigitOrSign => return Some(Wrong::NotAllowed(c)),
        }
        before = kind;
    }
    None
}

fn kind_of(c: char) -> Kind {
    if c.is_ascii() {
        return if c.is_ascii_alphabetic() { Kind::Letter } else { Kind::DigitOrSign };
    }
    if JOINERS.contains(&c) {
        Kind::Joiner
    } else if c.general_category_group() == GeneralCategoryGroup::Mark {
        // many vowel signs count as alphabetic, but are marks
        Kind::Mark
    } else if c.is_alphabetic() {
        Kind::Letter
    } else {
        Kind::DigitOrSign
    }
}

/// Characters that are not shown although they are letters, marks or not assigned: with those of the category of formats,
/// Unicode's `Default_Ignorable_Code_Point`.
const IGNORABLE: [(char, char); 12] = [
    ('\u{34f}', '\u{34f}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{2065}', '\u{2065}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fff8}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a character is not shown, or changes how others are: control characters, those of no width, those that turn the
/// direction of text, line separators.
pub fn is_invisible(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    matches!(c.general_category(), Control | Format | LineSeparator | ParagraphSeparator)
        || IGNORABLE.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_properties::GeneralCategory;

    use super::*;

    const SIGNS: &str = " _.:=+-@/";

    fn is_mark(c: char) -> bool {
        use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
        matches!(c.general_category(), NonspacingMark | SpacingMark | EnclosingMark)
    }

    fn is_letter(c: char) -> bool {
        c.is_alphabetic() && !is_mark(c)
    }

    /// The rule as documented, evaluated from scratch for each position.
    fn is_allowed(text: &[char]) -> bool {
        (0..text.len()).all(|i| {
            let behind_letter_or_mark = i > 0 && (is_letter(text[i - 1]) || is_mark(text[i - 1]));
            let behind_joiner = i > 0 && JOINERS.contains(&text[i - 1]);
            match text[i] {
                '\u{200c}' | '\u{200d}' => behind_letter_or_mark,
                c if is_mark(c) => behind_letter_or_mark || behind_joiner,
                c => is_letter(c) || c.is_numeric() || SIGNS.contains(c),
            }
        })
    }

    #[test]
    fn every_character_stands_where_the_rule_lets_it_and_nowhere_else() {
        let befores: [&[char]; 9] =
            [&[], &['a'], &['1'], &['क'], &['٣'], &['-'], &[' '], &['a', '\u{301}'], &['a', '\u{200d}']];
        let (mut marks, mut chars, mut text) = (0, Vec::new(), String::new());
        for c in '\0'..=char::MAX {
            marks += usize::from(is_mark(c));
            // the planes after the first two have ideographs and few marks
            let befores = if c < '\u{20000}' || is_mark(c) { &befores[..] } else { &befores[..2] };
            for before in befores {
                chars.clear();
                chars.extend_from_slice(before);
                chars.push(c);
                text.clear();
                text.extend(&chars);
                assert_eq!(first_wrong(&text, SIGNS).is_none(), is_allowed(&chars), "{text:?}");
            }
        }
        // Unicode 16 has 2,501
        assert!(marks > 2_500, "{marks} marks");
    }

    #[test]
    fn what_is_not_shown_is_told_from_what_is() {
        for c in "\0\t\n\u{7f}\u{85}\u{ad}\u{61c}\u{115f}\u{180e}\u{200b}\u{200d}\u{200e}\u{202e}\u{2028}\u{2029}\u{2060}\u{2067}\u{3164}\u{fe0f}\u{feff}\u{e0041}".chars() {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in " aä日क\u{301}\u{94d}-_.@🙂ß".chars() {
            assert!(!is_invisible(c), "{c:?}");
        }
    }

    #[test]
    fn letters_and_digits_are_as_ever() {
        for c in ('\0'..=char::MAX).filter(|c| !is_mark(*c) && !JOINERS.contains(c)) {
            let text = c.to_string();
            let wrong = (!c.is_alphanumeric()).then_some(Wrong::NotAllowed(c));
            assert_eq!(first_wrong(&text, ""), wrong, "{c:?}");
        }
    }

    #[test]
    fn words_of_many_languages_are_taken() {
        for word in [
            "केन्द्र",
            "परियोजना",
            "ช้างเก่า",
            "প্রকল্প",
            "می\u{200c}خواهم",
            "র\u{200d}\u{9cd}যাব",
            "Việt",
            "Vie\u{302}\u{323}t",
            "ශ\u{dca}\u{200d}රී",
            "தமிழ்",
            "မြန်မာ",
            "ខ្មែរ",
            "עִבְרִית",
            "العَرَبِيَّة",
            "བོད་ཡིག".split('་').next().unwrap(),
            "が",
            "か\u{3099}",
            "日本語",
            "Größe",
        ] {
            assert_eq!(first_wrong(word, "-_"), None, "{word}");
        }
    }

    proptest! {
        #[test]
        fn texts_are_as_the_rule_says(text in "[a1क日 _\\-\\*\u{94d}\u{301}\u{20dd}\u{903}\u{200c}\u{200d}\u{200b}٣]{0,8}") {
            let allowed = is_allowed(&text.chars().collect::<Vec<_>>());
            prop_assert_eq!(first_wrong(&text, SIGNS).is_none(), allowed);
        }
    }
}
