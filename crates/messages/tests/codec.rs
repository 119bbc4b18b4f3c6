//! Batches and rows come back as they were written; any other bytes give an error.

use brigade_messages::codec::{
    BatchReader, BatchWriter, Cell, CodecError, Full, NotUtf8, RowsVisitor, RowsWriter, Value,
    visit_rows,
};
use proptest::prelude::*;

/// A value that owns its bytes, for generating.
#[derive(Debug, Clone)]
enum Owned {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Owned {
    fn value(&self) -> Value<'_> {
        match self {
            Owned::Null => Value::Null,
            Owned::Integer(number) => Value::Integer(*number),
            Owned::Real(number) => Value::Real(*number),
            Owned::Text(text) => Value::Text(text),
            Owned::Blob(bytes) => Value::Blob(bytes),
        }
    }
}

fn owned() -> impl Strategy<Value = Owned> {
    prop_oneof![
        Just(Owned::Null),
        any::<i64>().prop_map(Owned::Integer),
        (-100_i64..100).prop_map(Owned::Integer),
        any::<f64>().prop_map(Owned::Real),
        ".{0,40}".prop_map(Owned::Text),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Owned::Blob),
    ]
}

type Statements = Vec<(String, Vec<Owned>)>;
type Sets = Vec<(usize, Vec<Vec<Owned>>)>;

fn statements() -> impl Strategy<Value = Statements> {
    let parameters = proptest::collection::vec(owned(), 0..6);
    proptest::collection::vec((".{0,60}", parameters), 0..8)
}

fn sets() -> impl Strategy<Value = Sets> {
    let set = (1_usize..5).prop_flat_map(|columns| {
        let row = proptest::collection::vec(owned(), columns);
        (Just(columns), proptest::collection::vec(row, 0..5))
    });
    let set = prop_oneof![set, Just((0, Vec::new()))];
    proptest::collection::vec(set, 0..5)
}

fn write_batch(page: &mut [u8], statements: &Statements) -> usize {
    let mut writer = BatchWriter::new(page);
    for (sql, parameters) in statements {
        let parameters: Vec<_> = parameters.iter().map(Owned::value).collect();
        writer.statement(sql, &parameters).unwrap();
    }
    writer.finish()
}

fn write_rows(page: &mut [u8], sets: &Sets) -> usize {
    let mut writer = RowsWriter::new(page);
    for (columns, rows) in sets {
        writer.begin_set(*columns).unwrap();
        for row in rows {
            writer.row(row.iter().map(Owned::value)).unwrap();
        }
    }
    writer.finish().unwrap()
}

/// Equal, with the bits of a NaN.
fn same(left: Value<'_>, right: Value<'_>) -> bool {
    match (left, right) {
        (Value::Real(left), Value::Real(right)) => left.to_bits() == right.to_bits(),
        _ => left == right,
    }
}

/// Sets as a visitor hears of them: columns and values.
#[derive(Default)]
struct Told<'a>(Vec<(usize, Vec<Value<'a>>)>);

impl Told<'_> {
    /// Rows of each set.
    fn rows(&self) -> Vec<usize> {
        let rows = |(columns, values): &(usize, Vec<_>)| values.len() / columns.max(&1);
        self.0.iter().map(rows).collect()
    }
}

impl<'a> RowsVisitor<'a> for Told<'a> {
    fn set(&mut self, columns: usize, _: usize) {
        self.0.push((columns, Vec::new()));
    }

    fn value(&mut self, value: Value<'a>) {
        self.0.last_mut().unwrap().1.push(value);
    }
}

fn read_rows(bytes: &[u8]) -> Result<Told<'_>, CodecError> {
    let mut told = Told::default();
    visit_rows(bytes, &mut told).map(|()| told)
}

/// Reads everything there is; the sum keeps the reads from being optimised away.
fn read_all(bytes: &[u8]) -> usize {
    let mut values = 0;
    if let Ok(batch) = BatchReader::new(bytes) {
        values += batch
            .map(|statement| statement.sql.len() + statement.parameters.count())
            .sum::<usize>();
    }
    if let Ok(told) = read_rows(bytes) {
        values += told.0.iter().map(|(_, values)| values.len()).sum::<usize>();
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_batch_comes_back(statements in statements()) {
        let mut page = vec![0; 65536];
        let length = write_batch(&mut page, &statements);
        let batch = BatchReader::new(&page[..length]).unwrap();
        prop_assert_eq!(batch.len(), statements.len());
        for (read, (sql, parameters)) in batch.zip(&statements) {
            prop_assert_eq!(read.sql, sql);
            prop_assert_eq!(read.parameters.len(), parameters.len());
            prop_assert!(read.parameters.zip(parameters).all(|(read, wrote)| same(read, wrote.value())));
        }
    }

    #[test]
    fn rows_come_back(sets in sets()) {
        let mut page = vec![0; 65536];
        let length = write_rows(&mut page, &sets);
        let told = read_rows(&page[..length]).unwrap();
        prop_assert_eq!(told.0.len(), sets.len());
        for ((columns, values), (wanted, rows)) in told.0.iter().zip(&sets) {
            prop_assert_eq!(columns, wanted);
            let wrote: Vec<_> = rows.iter().flatten().collect();
            prop_assert_eq!(values.len(), wrote.len());
            prop_assert!(values.iter().zip(wrote).all(|(read, wrote)| same(*read, wrote.value())));
        }
    }

    #[test]
    fn every_cut_is_an_error(statements in statements(), sets in sets(), cut in any::<prop::sample::Index>()) {
        let mut page = vec![0; 65536];
        let length = write_batch(&mut page, &statements);
        prop_assert!(BatchReader::new(&page[..cut.index(length)]).is_err());
        prop_assert!(BatchReader::new(&page[..length + 1]).is_err());
        let length = write_rows(&mut page, &sets);
        prop_assert!(read_rows(&page[..cut.index(length)]).is_err());
        prop_assert!(read_rows(&page[..length + 1]).is_err());
    }

    #[test]
    fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
    }

    #[test]
    fn mutated_messages_are_safe(
        statements in statements(),
        sets in sets(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut page = vec![0; 65536];
        for length in [write_batch(&mut page, &statements), write_rows(&mut page.clone(), &sets)] {
            let mut bytes = page[..length].to_vec();
            for (at, byte) in &changes {
                bytes[at.index(length)] = *byte;
            }
            read_all(&bytes);
            write_rows(&mut page, &sets);
        }
    }

    #[test]
    fn a_full_page_keeps_what_fitted(sets in sets(), room in 0_usize..400) {
        let mut page = vec![0xaa; room];
        let mut writer = RowsWriter::new(&mut page);
        let mut fitted = Vec::new();
        for (columns, rows) in &sets {
            if writer.begin_set(*columns).is_err() {
                break;
            }
            fitted.push(rows.iter().filter(|row| writer.row(row.iter().map(Owned::value)).is_ok()).count());
        }
        let length = writer.finish().unwrap();
        prop_assert!(length <= room);
        if room >= 6 {
            prop_assert_eq!(read_rows(&page[..length]).unwrap().rows(), fitted);
        }
    }
}

#[test]
fn a_statement_that_does_not_fit_leaves_the_batch_as_it_was() {
    let mut page = [0; 24];
    let mut writer = BatchWriter::new(&mut page);
    writer.statement("select ?", &[Value::Integer(1)]).unwrap();
    assert_eq!(
        writer.statement("select ?", &[Value::Blob(&[0; 10])]),
        Err(Full)
    );
    let length = writer.finish();
    let read: Vec<_> = BatchReader::new(&page[..length]).unwrap().collect();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].sql, "select ?");
}

#[test]
fn small_integers_take_two_bytes() {
    let mut page = [0; 64];
    let mut writer = RowsWriter::new(&mut page);
    writer.begin_set(1).unwrap();
    let empty = 6 + 10;
    writer.row([Value::Integer(-64)]).unwrap();
    assert_eq!(writer.finish(), Ok(empty + 2));
}

/// Texts lie behind one another, so a character whose halves are in two of them must not be taken
/// for one.
#[test]
fn text_that_is_not_utf8_is_refused_wherever_it_breaks() {
    let (first, second) = "é".as_bytes().split_at(1);
    for (cells, expected) in [
        ([first, second], Err(NotUtf8)),
        ([second, first], Err(NotUtf8)),
        ([b"\xff", b""], Err(NotUtf8)),
        ([b"", b"\xe2\x82"], Err(NotUtf8)),
        (["é".as_bytes(), b"e"], Ok(6 + 10 + 4 + 3)),
    ] {
        let mut page = [0; 64];
        let mut writer = RowsWriter::new(&mut page);
        writer.begin_set(2).unwrap();
        writer.row(cells.map(Cell::Text)).unwrap();
        assert_eq!(writer.finish(), expected, "{cells:?}");
    }
    // The same from a page that nobody here wrote: two texts of one byte, "é" together.
    let torn = [
        1, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 3, 1, 3, 1, first[0], second[0],
    ];
    let error = visit_rows(&torn, &mut ()).unwrap_err();
    assert_eq!(error, CodecError::Utf8(16));
}

/// A text that claims more than there is, or texts that no value names.
#[test]
fn texts_are_all_named_and_none_twice() {
    let rows = |length: u8, texts: u8| {
        let head = [
            1, 0, texts, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 3, length,
        ];
        [&head[..], &b"abcd"[..usize::from(texts)]].concat()
    };
    let read = |bytes: &[u8]| visit_rows(bytes, &mut ());
    assert_eq!(read(&rows(4, 4)), Ok(()));
    assert_eq!(read(&rows(4, 3)), Err(CodecError::Truncated(16)));
    assert_eq!(read(&rows(3, 4)), Err(CodecError::Trailing(18)));
}

#[test]
fn errors_name_the_byte() {
    assert_eq!(BatchReader::new(&[]).unwrap_err(), CodecError::Truncated(0));
    assert_eq!(
        BatchReader::new(&[1, 0, 1, 0xff, 0]).unwrap_err(),
        CodecError::Utf8(2)
    );
    assert_eq!(
        BatchReader::new(&[1, 0, 0, 1, 9]).unwrap_err(),
        CodecError::Tag(4)
    );
    let endless = [
        1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ];
    assert_eq!(
        BatchReader::new(&endless).unwrap_err(),
        CodecError::Number(2)
    );
    // Four thousand million rows without columns must not be counted one by one.
    let empty_rows = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0];
    assert_eq!(
        visit_rows(&empty_rows, &mut ()).unwrap_err(),
        CodecError::Set(16)
    );
}
