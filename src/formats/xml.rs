//! XML read into a flat, bounded document (no DTD, no entities of its own, no recursion).

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, NamespaceResolver, ResolveResult};
use quick_xml::reader::NsReader;
use std::ops::Range;

/// What one XML body may be at most. Everything a reader keeps is bounded by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the body.
    pub octets: usize,
    /// Elements inside each other.
    pub depth: usize,
    /// Elements altogether.
    pub elements: usize,
    /// Attributes of one element, namespace declarations among them.
    pub attributes: usize,
    /// Octets of one attribute's value.
    pub value_octets: usize,
}

/// 64 KiB (spec chapter 9), 32 deep, 8192 elements, 32 attributes of 4 KiB.
impl Default for Limits {
    fn default() -> Self {
        Self { octets: 64 << 10, depth: 32, elements: 8192, attributes: 32, value_octets: 4096 }
    }
}

/// Why a body is no XML document that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    #[error("the document is longer than {0} octets")]
    TooLong(usize),
    #[error("the document is nested deeper than {0} elements")]
    TooDeep(usize),
    #[error("the document has more than {0} elements")]
    TooManyElements(usize),
    #[error("an element has more than {0} attributes")]
    TooManyAttributes(usize),
    #[error("an attribute's value is longer than {0} octets")]
    ValueTooLong(usize),
    #[error("the document is not in UTF-8, or says that it is not")]
    Encoding,
    #[error("the document has a DOCTYPE, which is not read: send it without")]
    Doctype,
    #[error("the document uses an entity that is not one of the five predefined")]
    Entity,
    #[error("the document has a character that XML 1.0 forbids")]
    Character,
    #[error("the document uses a namespace prefix that it does not declare, or declares one badly")]
    Prefix,
    #[error("the document is not well-formed near octet {0}")]
    Malformed(u64),
    #[error("the document ends inside an element")]
    Open,
    #[error("the document has no root element, or more than one")]
    Root,
}

/// A document, its elements in document order.
pub(super) struct Document {
    elements: Vec<Node>,
    attributes: Vec<Attribute>,
    /// The namespace names that attributes are in; they hold an index.
    namespaces: Vec<String>,
}

struct Node {
    local: String,
    /// Its own attributes in `Document::attributes`.
    attributes: Range<usize>,
    /// The text right inside it, its children's not included.
    text: String,
    /// Where the next element stands that is not inside it.
    end: usize,
}

struct Attribute {
    local: String,
    namespace: Option<usize>,
    value: String,
}

/// An element of a document.
#[derive(Clone, Copy)]
pub(super) struct Element<'d> {
    document: &'d Document,
    node: &'d Node,
    at: usize,
}

impl Document {
    /// Reads a body.
    ///
    /// # Errors
    /// [`XmlError`] if it is not well-formed, not safe or beyond a limit.
    pub fn read(body: &[u8], limits: &Limits) -> Result<Self, XmlError> {
        if body.len() > limits.octets {
            return Err(XmlError::TooLong(limits.octets));
        }
        let text = std::str::from_utf8(body).map_err(|_| XmlError::Encoding)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if !text.chars().all(is_xml_char) {
            return Err(XmlError::Character);
        }
        let mut building = Building::new(limits);
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        reader.resolver_mut().set_max_namespace_bindings(limits.attributes.saturating_mul(limits.depth));
        loop {
            let event = reader.read_event().map_err(|error| fault(&error, reader.error_position()))?;
            if matches!(event, Event::Eof) {
                break;
            }
            let at = reader.buffer_position();
            building.take(event, reader.resolver(), at)?;
        }
        building.finish()
    }

    /// The root element.
    pub fn root(&self) -> Option<Element<'_>> {
        self.element(0)
    }

    fn element(&self, at: usize) -> Option<Element<'_>> {
        self.elements.get(at).map(|node| Element { document: self, node, at })
    }
}

impl<'d> Element<'d> {
    /// Its name without prefix.
    pub fn name(self) -> &'d str {
        &self.node.local
    }

    pub fn is(self, name: &str) -> bool {
        self.node.local == name
    }

    /// Its own text without white space around it.
    pub fn text(self) -> &'d str {
        self.node.text.trim_matches([' ', '\t', '\n', '\r'])
    }

    /// The value of the attribute that has no prefix.
    pub fn attribute(self, name: &str) -> Option<&'d str> {
        self.attributes().find(|(local, namespace, _)| *local == name && namespace.is_none()).map(|(.., value)| value)
    }

    /// All attributes but namespace declarations: local name, namespace and value.
    pub fn attributes(self) -> impl Iterator<Item = (&'d str, Option<&'d str>, &'d str)> {
        let document = self.document;
        let own = document.attributes.get(self.node.attributes.clone()).unwrap_or_default();
        own.iter().map(|attribute| {
            let namespace = attribute.namespace.and_then(|at| document.namespaces.get(at));
            (attribute.local.as_str(), namespace.map(String::as_str), attribute.value.as_str())
        })
    }

    /// The elements right inside it.
    pub fn children(self) -> impl Iterator<Item = Self> {
        let first = self.document.element(self.at + 1).filter(|first| first.at < self.node.end);
        let end = self.node.end;
        std::iter::successors(first, move |child| self.document.element(child.node.end).filter(|next| next.at < end))
    }

    /// The first child of this name.
    pub fn child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.is(name))
    }

    /// The text of the first child of this name; an empty one is as good as none.
    pub fn child_text(self, name: &str) -> Option<&'d str> {
        self.child(name).map(Self::text).filter(|text| !text.is_empty())
    }

    /// Every element inside it, at any depth, in document order.
    pub fn descendants(self) -> impl Iterator<Item = Self> {
        (self.at + 1..self.node.end).filter_map(move |at| self.document.element(at))
    }
}

/// The characters of XML 1.0 (section 2.2).
pub(super) const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

const fn fault(error: &quick_xml::Error, at: u64) -> XmlError {
    match error {
        quick_xml::Error::Namespace(_) => XmlError::Prefix,
        _ => XmlError::Malformed(at),
    }
}

/// A document half read.
struct Building<'l> {
    limits: &'l Limits,
    document: Document,
    /// The elements not yet closed.
    open: Vec<usize>,
    /// Nothing, not even a comment, may stand before an XML declaration.
    begun: bool,
}

impl<'l> Building<'l> {
    const fn new(limits: &'l Limits) -> Self {
        let document = Document { elements: Vec::new(), attributes: Vec::new(), namespaces: Vec::new() };
        Self { limits, document, open: Vec::new(), begun: false }
    }

    fn take(&mut self, event: Event<'_>, resolver: &NamespaceResolver, at: u64) -> Result<(), XmlError> {
        let first = !std::mem::replace(&mut self.begun, true);
        match event {
            Event::Start(start) => self.start(&start, resolver, at),
            Event::End(_) => {
                let closed = self.open.pop().ok_or(XmlError::Malformed(at))?;
                let end = self.document.elements.len();
                if let Some(element) = self.document.elements.get_mut(closed) {
                    element.end = end;
                }
                Ok(())
            }
            Event::Text(text) => {
                let text = text.xml10_content();
                // White space may stand around the root element, nothing else.
                if self.open.is_empty() && text.trim_matches([' ', '\t', '\n', '\r']).is_empty() {
                    return Ok(());
                }
                self.text(&text, at)
            }
            Event::CData(text) => self.text(&text.xml10_content(), at),
            Event::GeneralRef(reference) if reference.is_char_ref() => {
                let c = reference.resolve_char_ref().ok().flatten().filter(|c| is_xml_char(*c));
                self.text(c.ok_or(XmlError::Character)?.encode_utf8(&mut [0; 4]), at)
            }
            Event::GeneralRef(reference) => {
                self.text(resolve_predefined_entity(&reference).ok_or(XmlError::Entity)?, at)
            }
            Event::Decl(_) if !first => Err(XmlError::Malformed(at)),
            Event::Decl(declaration) => match declaration.encoding() {
                Some(Ok(name)) if !ENCODINGS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) => {
                    Err(XmlError::Encoding)
                }
                Some(Err(_)) => Err(XmlError::Malformed(at)),
                Some(Ok(_)) | None => Ok(()),
            },
            Event::DocType(_) => Err(XmlError::Doctype),
            // Empty elements come as a start and an end; comments and instructions say nothing to us.
            Event::Empty(_) | Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn text(&mut self, text: &str, at: u64) -> Result<(), XmlError> {
        let open = self.open.last().and_then(|open| self.document.elements.get_mut(*open));
        open.ok_or(XmlError::Malformed(at))?.text.push_str(text);
        Ok(())
    }

    fn start(&mut self, start: &BytesStart<'_>, resolver: &NamespaceResolver, at: u64) -> Result<(), XmlError> {
        let own = self.document.elements.len();
        if self.open.is_empty() && own > 0 {
            return Err(XmlError::Root);
        }
        if self.open.len() >= self.limits.depth {
            return Err(XmlError::TooDeep(self.limits.depth));
        }
        if own >= self.limits.elements {
            return Err(XmlError::TooManyElements(self.limits.elements));
        }
        let first_attribute = self.document.attributes.len();
        for (count, attribute) in start.attributes().enumerate() {
            if count >= self.limits.attributes {
                return Err(XmlError::TooManyAttributes(self.limits.attributes));
            }
            let attribute = attribute.map_err(|_| XmlError::Malformed(at))?;
            self.attribute(&attribute, resolver)?;
        }
        if matches!(resolver.resolve_element(start.name()).0, ResolveResult::Unknown(_)) {
            return Err(XmlError::Prefix);
        }
        self.document.elements.push(Node {
            local: start.local_name().as_ref().to_owned(),
            attributes: first_attribute..self.document.attributes.len(),
            text: String::new(),
            end: own + 1,
        });
        self.open.push(own);
        Ok(())
    }

    fn attribute(
        &mut self,
        attribute: &quick_xml::events::attributes::Attribute<'_>,
        resolver: &NamespaceResolver,
    ) -> Result<(), XmlError> {
        if attribute.value.len() > self.limits.value_octets {
            return Err(XmlError::ValueTooLong(self.limits.value_octets));
        }
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|_| XmlError::Entity)?;
        if !value.chars().all(is_xml_char) {
            return Err(XmlError::Character);
        }
        if attribute.key.as_namespace_binding().is_some() {
            return Ok(());
        }
        let (namespace, local) = resolver.resolve_attribute(attribute.key);
        let attribute = Attribute {
            local: local.as_ref().to_owned(),
            namespace: self.namespace(&namespace)?,
            value: value.into_owned(),
        };
        self.document.attributes.push(attribute);
        Ok(())
    }

    /// The index of a namespace name; there are at most as many as there are attributes.
    fn namespace(&mut self, resolved: &ResolveResult<'_>) -> Result<Option<usize>, XmlError> {
        let name = match resolved {
            ResolveResult::Unbound => return Ok(None),
            ResolveResult::Unknown(_) => return Err(XmlError::Prefix),
            ResolveResult::Bound(Namespace(name)) => *name,
        };
        let known = self.document.namespaces.iter().position(|known| known == name);
        Ok(Some(known.unwrap_or_else(|| {
            self.document.namespaces.push(name.to_owned());
            self.document.namespaces.len() - 1
        })))
    }

    fn finish(self) -> Result<Document, XmlError> {
        if self.document.elements.is_empty() {
            return Err(XmlError::Root);
        }
        // quick-xml does not mind a document that ends inside an element.
        if !self.open.is_empty() {
            return Err(XmlError::Open);
        }
        Ok(self.document)
    }
}

/// What an XML declaration may say; both are UTF-8.
const ENCODINGS: [&str; 2] = ["utf-8", "us-ascii"];

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
