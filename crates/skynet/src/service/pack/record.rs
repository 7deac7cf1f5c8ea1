//! Structures as values, without a derive macro: their fields are named once more.

/// Makes a structure a value: a table with the names of the fields. A field that may be nil or missing is an `Option`;
/// what else a table has is ignored.
///
/// ```
/// use skynet::record;
/// use skynet::service::{Values, args, table};
///
/// struct Player {
///     name: String,
///     level: i64,
///     friends: Vec<String>,
///     guild: Option<String>,
/// }
///
/// record!(Player { name, level, friends, guild });
/// ```
///
/// Then `cx.call(".db", ("save", &player))` sends one, and `cx.call(".db", ("load", "ann")).to::<Player>()` reads one.
#[macro_export]
macro_rules! record {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl $crate::service::PackValue for $type {
            fn pack_value(
                &self,
                writer: &mut $crate::wire::seri::Writer<'_>,
            ) -> ::std::result::Result<(), $crate::wire::seri::Error> {
                let empty = true $(&& $crate::service::PackValue::is_nil(&self.$field))*;
                $crate::service::pack_table(writer, 0, empty, |writer| {
                    $(
                        if !$crate::service::PackValue::is_nil(&self.$field) {
                            $crate::service::PackValue::pack_value(stringify!($field), writer)?;
                            $crate::service::PackValue::pack_value(&self.$field, writer)?;
                        }
                    )*
                    Ok(())
                })
            }
        }

        impl $crate::service::Pack for $type {
            fn pack(
                &self,
                writer: &mut $crate::wire::seri::Writer<'_>,
            ) -> ::std::result::Result<(), $crate::wire::seri::Error> {
                $crate::service::PackValue::pack_value(self, writer)
            }
        }

        impl<'a> $crate::service::UnpackValue<'a> for $type {
            fn unpack_value(
                values: &mut $crate::service::Row<'a>,
            ) -> ::std::result::Result<Self, $crate::service::Error> {
                $(let mut $field = None;)*
                values.fields(|values, name| {
                    $(
                        if name == stringify!($field).as_bytes() {
                            $field = Some($crate::service::UnpackValue::unpack_value(values)?);
                            return Ok(true);
                        }
                    )*
                    Ok(false)
                })?;
                Ok(Self { $(
                    $field: match $field {
                        Some(value) => value,
                        None => $crate::service::Row::missing(stringify!($field))?,
                    },
                )* })
            }
        }

        impl<'a> $crate::service::Unpack<'a> for $type {
            fn unpack(
                values: &mut $crate::service::Row<'a>,
            ) -> ::std::result::Result<Self, $crate::service::Error> {
                $crate::service::UnpackValue::unpack_value(values)
            }
        }
    };
}
