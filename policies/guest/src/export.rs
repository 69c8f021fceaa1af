//! [`export!`](crate::export!): makes a component of a policy.

/// Makes a component that exports these decisions: `export!(Name: expiry, delivery);` for a unit struct without settings,
/// `export!(Name with settings: expiry, delivery);` for one that implements [`Policy`](crate::Policy).
#[macro_export]
macro_rules! export {
    ($policy:ident with settings: $($decision:ident),+ $(,)?) => {
        static RESTANTE_POLICY: $crate::Kept<$policy> = $crate::Kept::new();
        #[doc(hidden)]
        struct RestanteGlue;

        impl $crate::bindings::settings::exports::restante::policy::settings::Guest for RestanteGlue {
            fn schema() -> $crate::String {
                $crate::String::from(<$policy as $crate::Policy>::SCHEMA)
            }

            fn configure(json: $crate::String) -> Result<(), $crate::String> {
                let settings = $crate::json::Object::read(&json)?;
                RESTANTE_POLICY.keep(<$policy as $crate::Policy>::configure(&settings)?);
                Ok(())
            }
        }

        $crate::bindings::settings::export!(RestanteGlue with_types_in $crate::bindings::settings);
        $($crate::__decision!($decision RESTANTE_POLICY.get()?);)+
    };
    ($policy:ident: $($decision:ident),+ $(,)?) => {
        #[doc(hidden)]
        struct RestanteGlue;

        $($crate::__decision!($decision &$policy);)+
    };
}

/// One decision's glue between the contract and the trait of this crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __decision {
    (admission $policy:expr) => {
        impl $crate::bindings::admission::exports::restante::policy::admission::Guest for RestanteGlue {
            fn judge(
                context: $crate::Context,
                message: $crate::Message,
            ) -> Result<$crate::admission::Verdict, $crate::String> {
                $crate::Admission::judge($policy, &context, &message)
            }
        }
        $crate::bindings::admission::export!(RestanteGlue with_types_in $crate::bindings::admission);
    };
    (handling $policy:expr) => {
        impl $crate::bindings::handling::exports::restante::policy::handling::Guest for RestanteGlue {
            fn judge(
                context: $crate::Context,
                message: $crate::Message,
            ) -> Result<$crate::handling::Verdict, $crate::String> {
                $crate::Handling::judge($policy, &context, &message)
            }
        }
        $crate::bindings::handling::export!(RestanteGlue with_types_in $crate::bindings::handling);
    };
    (delivery $policy:expr) => {
        impl $crate::bindings::delivery::exports::restante::policy::delivery::Guest for RestanteGlue {
            fn judge(
                context: $crate::Context,
                message: $crate::Message,
                client: $crate::Client,
            ) -> Result<$crate::delivery::Verdict, $crate::String> {
                $crate::Delivery::judge($policy, &context, &message, &client)
            }
        }
        $crate::bindings::delivery::export!(RestanteGlue with_types_in $crate::bindings::delivery);
    };
    (expiry $policy:expr) => {
        impl $crate::bindings::expiry::exports::restante::policy::expiry::Guest for RestanteGlue {
            fn judge(
                context: $crate::Context,
                message: $crate::Message,
            ) -> Result<$crate::expiry::Verdict, $crate::String> {
                $crate::Expiry::judge($policy, &context, &message)
            }
        }
        $crate::bindings::expiry::export!(RestanteGlue with_types_in $crate::bindings::expiry);
    };
    (notification $policy:expr) => {
        impl $crate::bindings::notification::exports::restante::policy::notification::Guest for RestanteGlue {
            fn judge(
                context: $crate::Context,
                message: $crate::Message,
                cause: $crate::notification::Cause,
            ) -> Result<$crate::notification::Verdict, $crate::String> {
                $crate::Notification::judge($policy, &context, &message, &cause)
            }
        }
        $crate::bindings::notification::export!(RestanteGlue with_types_in $crate::bindings::notification);
    };
}
