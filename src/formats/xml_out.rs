//! The writer of the XML documents we print: one element a line, indented by one blank, CRLF as in all bodies of SIP.

/// A document being written.
pub(super) struct Writer {
    out: String,
    open: Vec<&'static str>,
}

/// Attributes in the order written; names are ours, values are escaped.
pub(super) type Attributes<'a> = [(&'static str, &'a str)];

impl Writer {
    /// With the XML declaration.
    pub fn new() -> Self {
        Self { out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n".to_owned(), open: Vec::new() }
    }

    /// Opens an element that has others inside.
    pub fn open(&mut self, name: &'static str, attributes: &Attributes<'_>) {
        self.tag(name, attributes);
        self.out.push_str(">\r\n");
        self.open.push(name);
    }

    /// An element with this text, or an empty one.
    pub fn leaf(&mut self, name: &'static str, text: &str) {
        self.tag(name, &[]);
        if text.is_empty() {
            self.out.push_str("/>\r\n");
            return;
        }
        self.out.push('>');
        escape(text, &mut self.out);
        self.out.extend(["</", name, ">\r\n"]);
    }

    /// Closes what was opened last.
    pub fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.indent();
            self.out.extend(["</", name, ">\r\n"]);
        }
    }

    /// The octets of the document; what is open is closed.
    pub fn finish(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.close();
        }
        self.out.into_bytes()
    }

    fn tag(&mut self, name: &str, attributes: &Attributes<'_>) {
        self.indent();
        self.out.extend(["<", name]);
        for (name, value) in attributes {
            self.out.extend([" ", name, "=\""]);
            escape(value, &mut self.out);
            self.out.push('"');
        }
    }

    fn indent(&mut self) {
        self.out.extend(std::iter::repeat_n(' ', self.open.len()));
    }
}

/// Text or an attribute's value. White space that a reader would change is written as a reference; what XML 1.0 cannot
/// carry at all, not even as a reference, is left out.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            c if super::xml::is_xml_char(c) => out.push(c),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::xml::{Document, Limits};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documents_are_indented_escaped_and_closed() {
        let mut writer = Writer::new();
        writer.open("a", &[("x", "1\"<\n")]);
        writer.leaf("b", "Tom & \u{1}Jerry");
        writer.open("c", &[]);
        writer.leaf("d", "");
        let text = String::from_utf8(writer.finish()).unwrap();
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<a x=\"1&quot;&lt;&#10;\">\r\n <b>Tom &amp; Jerry</b>\r\n <c>\r\n  <d/>\r\n </c>\r\n</a>\r\n"
        );
    }

    proptest! {
        #[test]
        fn any_text_comes_back_but_what_xml_cannot_carry(text in "(?s).{0,40}") {
            let mut writer = Writer::new();
            writer.open("a", &[("x", &text)]);
            writer.leaf("b", &format!("|{text}|"));
            let octets = writer.finish();
            let document = Document::read(&octets, &Limits::default()).unwrap();
            let kept: String = text.chars().filter(|c| super::super::xml::is_xml_char(*c)).collect();
            let (root, inside) = (document.root().unwrap(), format!("|{kept}|"));
            prop_assert_eq!(root.attribute("x"), Some(kept.as_str()));
            prop_assert_eq!(root.child_text("b"), Some(inside.as_str()));
        }
    }
}
