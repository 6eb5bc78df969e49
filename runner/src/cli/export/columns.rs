//! Parquet: a row per value, so that every file has the same columns.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::Writer;
use crate::ledger::history::{Span, Stretch};

const SCHEMA: &str = "
    message history {
        REQUIRED BINARY project (STRING);
        REQUIRED BINARY run (STRING);
        REQUIRED BINARY metric (STRING);
        REQUIRED INT64 step;
        OPTIONAL INT64 time (TIMESTAMP(MICROS, true));
        OPTIONAL INT32 rank (INTEGER(32, false));
        REQUIRED DOUBLE value;
    }";

/// Rows that are written at once, and kept in memory till then.
const GROUP: usize = 1 << 17;

/// Writes values.
pub(super) struct Long<'a, W: Write> {
    file: SerializedFileWriter<Out<'a, W>>,
    names: Vec<ByteArray>,
    rows: Rows,
}

/// The rows of a group, column by column.
#[derive(Default)]
struct Rows {
    projects: Vec<ByteArray>,
    runs: Vec<ByteArray>,
    metrics: Vec<ByteArray>,
    steps: Vec<i64>,
    /// Microseconds since 1970.
    times: Vec<Option<i64>>,
    ranks: Vec<Option<i32>>,
    values: Vec<f64>,
}

/// The library wants to own what it writes to.
struct Out<'a, W>(&'a mut W);

impl<W: Write> Write for Out<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'a, W: Write + Send> Long<'a, W> {
    pub(super) fn new(out: &'a mut W, names: &[String]) -> io::Result<Self> {
        Ok(Self {
            file: file(Out(out), SCHEMA)?,
            names: names.iter().map(|name| bytes(name)).collect(),
            rows: Rows::default(),
        })
    }

    fn group(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let mut group = self.file.next_row_group().map_err(failed)?;
        column::<ByteArrayType>(&mut group, &rows.projects, None)?;
        column::<ByteArrayType>(&mut group, &rows.runs, None)?;
        column::<ByteArrayType>(&mut group, &rows.metrics, None)?;
        column::<Int64Type>(&mut group, &rows.steps, None)?;
        optional::<Int64Type>(&mut group, &rows.times)?;
        optional::<Int32Type>(&mut group, &rows.ranks)?;
        column::<DoubleType>(&mut group, &rows.values, None)?;
        group.close().map(drop).map_err(failed)
    }
}

impl<W: Write + Send> Writer for Long<'_, W> {
    fn add(&mut self, run: &Span, stretch: &Stretch) -> io::Result<()> {
        let (project, name) = (bytes(&run.project), bytes(&run.run));
        for series in &stretch.series {
            let Some(metric) = self.names.get(series.metric) else {
                continue;
            };
            for (row, value) in series.values() {
                let mark = stretch.mark(row);
                let rows = &mut self.rows;
                rows.projects.push(project.clone());
                rows.runs.push(name.clone());
                rows.metrics.push(metric.clone());
                rows.steps.push(mark.step);
                rows.times
                    .push(mark.time.map(|time| (time * 1e6).round() as i64));
                rows.ranks.push(mark.rank.map(u32::cast_signed));
                rows.values.push(value);
            }
            if self.rows.values.len() >= GROUP {
                self.group()?;
            }
        }
        Ok(())
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        if !self.rows.values.is_empty() {
            self.group()?;
        }
        self.file.close().map(drop).map_err(failed)
    }
}

/// A file of this schema.
pub(super) fn file<W: Write + Send>(out: W, schema: &str) -> io::Result<SerializedFileWriter<W>> {
    let schema = parse_message_type(schema).map_err(failed)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties.build())).map_err(failed)
}

/// Writes the next column: its values, and which rows have one, if not all do.
pub(super) fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: &[T::T],
    has: Option<&[i16]>,
) -> io::Result<()> {
    let next = group.next_column().map_err(failed)?;
    let mut next = next.ok_or_else(|| io::Error::other("the schema has no more columns"))?;
    let written = next.typed::<T>().write_batch(values, has, None);
    written.map_err(failed)?;
    next.close().map_err(failed)
}

/// The same, of values that may be missing.
pub(super) fn optional<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: &[Option<T::T>],
) -> io::Result<()> {
    let has: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
    let there: Vec<T::T> = values.iter().flatten().cloned().collect();
    column::<T>(group, &there, Some(&has))
}

pub(super) fn bytes(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

pub(super) fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => io::Error::other(error),
        other => io::Error::other(other),
    }
}
