//! What error messages say: the thing, the place, the remedy.

use skynet_tests::lua_cases;

mod places {
    use super::*;

    lua_cases! {
        "messages/places" {
            services;
            modules [snax = r#""./?.lua""#];
            handlers;
            protocols;
        }
    }
}
