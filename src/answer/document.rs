//! A TOML document, read into a type.
//!
//! The reader of the `toml` crate is made anew for every type that is read, 150 KB for a profile; this one is small where
//! it is made anew, and knows the line of everything.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// What is wrong, and in which line, from 1.
#[derive(Debug)]
pub(super) struct Error {
    line: Option<usize>,
    message: String,
}

impl Error {
    fn or_at(mut self, line: usize) -> Self {
        self.line.get_or_insert(line);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { line: None, message: message.to_string() }
    }
}

/// Reads `text` as a `T`.
///
/// # Errors
/// The first line that is wrong, and what may stand there.
pub(super) fn read<'a, T: de::Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    let starts: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let lines = Lines(&starts);
    let document = DeTable::parse(text).map_err(|error| Error {
        line: error.span().map(|span| lines.of(span.start)),
        message: error.message().trim().replace('\n', "; "),
    })?;
    T::deserialize(Value { value: &DeValue::Table(document.into_inner()), line: 1, lines })
}

/// Where lines end.
#[derive(Clone, Copy)]
struct Lines<'l>(&'l [usize]);

impl Lines<'_> {
    /// The line of a byte.
    fn of(self, at: usize) -> usize {
        1 + self.0.partition_point(|end| *end < at)
    }
}

/// A value, and where it stands.
#[derive(Clone, Copy)]
struct Value<'v> {
    value: &'v DeValue<'v>,
    line: usize,
    lines: Lines<'v>,
}

impl<'v> Value<'v> {
    fn new(value: &'v Spanned<DeValue<'v>>, lines: Lines<'v>) -> Self {
        Self { value: value.get_ref(), line: lines.of(value.span().start), lines }
    }

    /// What a type makes of it. Types that check a text do so when they have it: the line is put to that error too.
    fn give<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self).map_err(|error| error.or_at(self.line))
    }

    fn text(self) -> Result<&'v str, Error> {
        match self.value {
            DeValue::String(text) => Ok(text),
            _ => Err(self.wanted("a text in quotes")),
        }
    }

    fn wanted(self, what: &str) -> Error {
        Error { line: Some(self.line), message: format!("here stands {what}") }
    }
}

/// Every type says what it wants, and gets that or an error: guessing would be made anew for each of them too.
impl<'de> de::Deserializer<'de> for Value<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(self.wanted("nothing"))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text().and_then(|text| visitor.visit_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            DeValue::Boolean(is_so) => visitor.visit_bool(*is_so),
            _ => Err(self.wanted("true or false, without quotes")),
        }
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let number = match self.value {
            DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        visitor.visit_u16(number.ok_or_else(|| self.wanted("a number from 0 to 65535, without quotes"))?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            DeValue::Array(items) => visitor.visit_seq(Items { items: items.iter(), lines: self.lines }),
            _ => Err(self.wanted("a list in brackets")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let entries: Vec<_> = match self.value {
            DeValue::Table(table) => table.iter().collect(),
            _ => return Err(self.wanted("a table")),
        };
        let entries = Entries { entries: entries.into_iter(), value: None, lines: self.lines };
        visitor.visit_map(entries).map_err(|error| error.or_at(self.line))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(Choice(self.text()?))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct map identifier
        ignored_any
    }
}

/// The items of a list.
struct Items<'v> {
    items: std::slice::Iter<'v, Spanned<DeValue<'v>>>,
    lines: Lines<'v>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.items.next() else { return Ok(None) };
        Value::new(item, self.lines).give(seed).map(Some)
    }
}

/// The keys of a table with their values.
struct Entries<'v> {
    entries: std::vec::IntoIter<(&'v Spanned<DeString<'v>>, &'v Spanned<DeValue<'v>>)>,
    value: Option<Value<'v>>,
    lines: Lines<'v>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(Value::new(value, self.lines));
        let line = self.lines.of(key.span().start);
        let name: StrDeserializer<'_, Error> = key.get_ref().as_ref().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|error| error.or_at(line))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let value = self.value.take().ok_or_else(|| de::Error::custom("a key without a value"))?;
        value.give(seed)
    }
}

/// One of a few words.
struct Choice<'v>(&'v str);

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _seed: S) -> Result<S::Value, Error> {
        Err(de::Error::custom("a word has nothing in it"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("a word has nothing in it"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        Err(de::Error::custom("a word has nothing in it"))
    }
}
