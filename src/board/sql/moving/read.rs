//! What is asked in the same words of either end, whose rows and connections are of different types.

/// How an end that holds its connection reads: `$place` is how a place in a statement begins, `$text` what
/// becomes of a text that is put there.
macro_rules! reads {
    ($end:ident, $place:literal, $text:path) => {
        impl $end {
            pub(super) async fn number(&mut self, sql: String) -> Result<i64> {
                let query = sqlx::query(AssertSqlSafe(sql));
                let row = query.fetch_one(&mut self.0).await.map_err(failed)?;
                row.try_get(0).map_err(failed)
            }

            /// Rows after the one with this key, in order.
            pub(super) async fn page(
                &mut self,
                shape: &Shape,
                after: Option<&[Field]>,
                limit: usize,
            ) -> Result<Vec<Fields>> {
                let rows = shape.after(after.is_none(), |place| format!("{}{place}", $place));
                let sql = format!("select {} from {rows} limit {limit}", shape.columns());
                let mut query = sqlx::query(AssertSqlSafe(sql));
                for field in after.unwrap_or_default() {
                    query = match field {
                        Field::Nothing => query.bind(None::<i64>),
                        Field::Number(number) => query.bind(*number),
                        Field::Fraction(number) => query.bind(*number),
                        Field::Text(text) => query.bind($text(text)),
                    };
                }
                let rows = query.fetch_all(&mut self.0).await.map_err(failed)?;
                rows.iter().map(|row| fields(shape, row).map_err(failed)).collect()
            }
        }
    };
}

pub(super) use reads;
