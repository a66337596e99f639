//! The words of a line: commands separated by `;`, words by spaces, quotes keep both together.

use election::Span;

pub(crate) fn commands(code: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word = String::new();
    let mut quoted = false;
    for c in code.chars().chain([';']) {
        match c {
            '"' => {
                quoted = !quoted;
                word.push(c);
            }
            ';' | ' ' if !quoted => {
                if !word.is_empty() {
                    let last = commands.last_mut().expect("never empty");
                    last.push(std::mem::take(&mut word).trim_matches('"').to_owned());
                }
                if c == ';' {
                    commands.push(Vec::new());
                }
            }
            _ => word.push(c),
        }
    }
    commands.retain(|command| !command.is_empty());
    commands
}

/// `20ms`, `5s`, `300us`.
pub(crate) fn span(word: &str) -> Result<Span, String> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| format!("no span: {word}"))?;
    match &word[digits.len()..] {
        "us" => Ok(Span::from_micros(number)),
        "ms" => Ok(Span::from_millis(number)),
        "s" => Ok(Span::from_secs(number)),
        _ => Err(format!("no unit: {word}")),
    }
}

/// `key=number` among `words`.
pub(crate) fn number(words: &[&str], key: &str) -> Option<u64> {
    value(words, key)?.parse().ok()
}

/// `key=value` among `words`.
pub(crate) fn value<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}
