//! Tables for people: columns as wide as they must be, and no character that a terminal would obey.

use crate::policy::policies::is_hidden;

/// A text from elsewhere as it may be printed: what a terminal would obey, and what is not seen, is seen instead.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// Rows under their heads. The last column is as long as it is.
pub fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heads.map(|head| head.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&heads.map(str::to_owned), &widths);
    for row in rows {
        text.push('\n');
        text.push_str(&line(row, &widths));
    }
    text
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{:<width$}", plain(cell)));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// A moment to the second, as a table has room for.
pub fn moment(rfc3339: &str) -> String {
    match rfc3339.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => rfc3339.to_owned(),
    }
}

/// The first digits of a digest; other texts as they are.
pub fn short(digest: &str) -> String {
    let is_digest = digest.len() == 64 && digest.bytes().all(|octet| octet.is_ascii_hexdigit());
    if is_digest { digest.chars().take(12).collect() } else { digest.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let rows = [["a".to_owned(), "long cell".to_owned()], ["größer".to_owned(), String::new()]];
        assert_eq!(table(["one", "two"], &rows), "one     two\na       long cell\ngrößer");
    }

    #[test]
    fn no_terminal_is_told_anything() {
        assert_eq!(plain("a\u{1b}[31mb\r\n"), "a\u{fffd}[31mb\u{fffd}\u{fffd}");
        assert_eq!(plain("a\u{9b}31m\u{202e}cba\u{2066}\u{200f}"), "a\u{fffd}31m\u{fffd}cba\u{fffd}\u{fffd}");
        assert_eq!(plain("größer, می‌خواهم"), "größer, می‌خواهم");
        assert!(!table(["x"], &[["\u{7}".to_owned()]]).contains('\u{7}'));
    }

    #[test]
    fn digests_and_moments_are_cut() {
        assert_eq!(short(&"ab".repeat(32)), "abababababab");
        assert_eq!(short("standard"), "standard");
        assert_eq!(moment("2026-11-22T18:16:18.190Z"), "2026-11-22T18:16:18Z");
        assert_eq!(moment("2026-11-22T18:16:18Z"), "2026-11-22T18:16:18Z");
    }
}
