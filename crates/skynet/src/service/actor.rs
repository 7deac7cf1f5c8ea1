//! What a service in Rust is.

use super::{Cx, Error, Request, Values};
use std::future::Future;

/// A service.
///
/// The methods may be written as `async fn`.
pub trait Actor: Send + Sync + 'static {
    /// Runs first, with the parameter of the launch. Requests that come meanwhile wait for its end. After an error the
    /// service exits; the error is logged.
    fn started(&self, cx: &Cx, args: &str) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = (cx, args);
        async { Ok(()) }
    }

    /// Handles a message of the type `lua`, which may be a request or a plain send; the result of the latter is
    /// ignored.
    ///
    /// `Ok` answers the request with these values, unless it has been [deferred](Request::defer). An error is
    /// logged, and fails the caller's call. So does a panic, which ends this task only.
    ///
    /// The default fails: an actor for services in Rust alone has [`Handler`](crate::service::Handler)s instead.
    fn request(
        &self,
        cx: &Cx,
        request: &Request,
    ) -> impl Future<Output = Result<Values, Error>> + Send {
        let _ = cx;
        async move {
            Err(Error::Unhandled {
                kind: request.kind(),
            })
        }
    }

    /// Handles a message of any other type, such as `text` or `client`. The default fails.
    fn message(
        &self,
        cx: &Cx,
        request: &Request,
    ) -> impl Future<Output = Result<Values, Error>> + Send {
        let _ = cx;
        async move {
            Err(Error::Unhandled {
                kind: request.kind(),
            })
        }
    }
}
