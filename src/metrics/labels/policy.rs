//! Label values of policies, their orders, and who may give those.

use super::Label;

label! {
    /// A policy decision.
    Hook = "hook" {
        Admission = "admission",
        Delivery = "delivery",
        Expiry = "expiry",
        Handling = "handling",
        Notification = "notification",
    }
}
label! {
    /// Who gave a verdict; all but the first two are failures of the component that cost one verdict.
    Policy = "outcome" {
        Component = "component",
        /// No component rules this decision.
        Native = "native",
        Trap = "trap",
        Timeout = "timeout",
        Memory = "memory",
        Refused = "refused",
        Nonsense = "nonsense",
        Unavailable = "unavailable",
    }
}
label! {
    /// What a policy that is bound does there.
    Role = "role" {
        Active = "active",
        /// It is asked without effect.
        Shadow = "shadow",
    }
}
label! {
    /// What came of asking a policy in the shadow.
    Compared = "result" {
        /// The same verdict as the active one's.
        Same = "same",
        Different = "different",
        Failed = "failed",
        /// Not asked: too many questions waited, or its time was used up.
        Dropped = "dropped",
    }
}
label! {
    /// An order about policies.
    Order = "order" {
        Upload = "upload",
        Activate = "activate",
        Shadow = "shadow",
        EndShadow = "end-shadow",
        Rollback = "rollback",
        Retire = "retire",
        /// The server's own: a policy that failed too often gives way.
        Trip = "trip",
    }
}
label! {
    /// How an order about policies ended.
    Ordered = "result" {
        Done = "done",
        /// It was not acceptable.
        Refused = "refused",
        /// The server failed.
        Failed = "failed",
    }
}
label! {
    /// Why a request to the HTTP API was refused.
    AdminRefusal = "cause" {
        /// It does not say who sends it, or may not come from there.
        Nobody = "nobody",
        /// A token that is none of the configuration's.
        Token = "token",
        /// A client certificate that is none of the configuration's, or of no authority of it.
        Certificate = "certificate",
        /// The role is not one that may.
        Role = "role",
    }
}
