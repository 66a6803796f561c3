//! What the server answers in place of a result.

use super::frame::text;
use crate::run::{Place, SqlError};
use crate::sql::postgres::quote::ident;

/// The fields of an error message (manual, 54.8 "Error and Notice Message Fields").
pub(super) fn sql_error(mut body: &[u8]) -> SqlError {
    let mut error = SqlError::default();
    let (mut schema, mut table, mut column) = (None, None, None);
    while let [field, rest @ ..] = body {
        if *field == 0 {
            break;
        }
        let (value, rest) = text(rest);
        match field {
            b'C' => error.sqlstate = value,
            b'M' => error.message = value,
            b'D' => error.detail = Some(value),
            b'H' => error.hint = Some(value),
            b'P' => error.position = value.parse().ok(),
            b's' => schema = Some(value),
            b't' => table = Some(value),
            b'c' => column = Some(ident(&value)),
            _ => {}
        }
        body = rest;
    }
    let named = schema.zip(table).map(|(schema, table)| format!("{}.{}", ident(&schema), ident(&table)));
    error.place = named.map(|table| Box::new(Place { table, column }));
    error
}
