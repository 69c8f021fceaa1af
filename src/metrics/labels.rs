//! Every label value there is, as enums: nothing that comes from outside can become one.

/// What a label is made of: a name and a fixed list of values.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Every value, in the order of [`Label::index`].
    const ALL: &'static [Self];
    /// Position in [`Label::ALL`].
    fn index(self) -> usize;
    /// The value as Prometheus shows it.
    fn value(self) -> &'static str;
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident = $label:literal { $($(#[$vdoc:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            fn index(self) -> usize {
                self as usize
            }
            fn value(self) -> &'static str {
                match self { $(Self::$variant => $value,)+ }
            }
        }
    };
}

mod policy;

pub use policy::{AdminRefusal, Compared, Hook, Order, Ordered, Policy, Role};

label! {
    /// How we heard of a registration.
    Source = "source" {
        /// The client's own REGISTER.
        Register = "register",
        /// An S-CSCF's third-party REGISTER (WX-3).
        ThirdParty = "third-party",
    }
}
label! {
    /// What a registration meant.
    Registration = "kind" {
        New = "new",
        Refresh = "refresh",
        /// Expired, withdrawn or ended by the network.
        Gone = "gone",
    }
}
label! {
    /// What became of a message that was to be deferred.
    Deferral = "outcome" {
        Stored = "stored",
        RefusedPolicy = "refused-policy",
        RefusedQuota = "refused-quota",
        /// The same request again: the same answer, nothing stored.
        Duplicate = "duplicate",
    }
}
label! {
    /// How a delivery attempt ended.
    Delivery = "outcome" {
        /// 2xx: the message leaves the queue.
        Delivered = "delivered",
        /// 486, 600: kept.
        Busy = "busy",
        /// 404, 408, 410, 480 and the like: kept.
        Unreachable = "unreachable",
        /// Any other final refusal by the client or the network.
        Refused = "refused",
        /// 5xx: the network is in trouble; kept.
        ServerError = "server-error",
        /// No final answer in time.
        Timeout = "timeout",
        /// The request could not be sent.
        Transport = "transport",
    }
}
label! {
    /// What became of an expired message (EXP-2).
    Expiry = "disposal" {
        Discarded = "discarded",
        Stored = "stored",
        Interworked = "interworked",
    }
}
label! {
    /// What an errand is for.
    Errand = "errand" {
        /// A system message to a client, or the out-of-band notifier.
        Notify = "notify",
        /// A disposition notification to a sender.
        Report = "report",
        /// A message into the message store.
        Store = "store",
        /// A message into the conversation history, before a push.
        Record = "record",
        /// The removal of such a record.
        Withdraw = "withdraw",
        /// A message to the Interworking Selection Function.
        Interwork = "interwork",
    }
}
label! {
    /// How a try of an errand ended.
    Errands = "outcome" {
        Done = "done",
        /// It will be tried again.
        Failed = "failed",
        GivenUp = "given-up",
    }
}
label! {
    /// What a client asked to be done with a message (MNG-3 … MNG-6).
    Managed = "action" {
        Delete = "delete",
        Interwork = "interwork",
        Store = "store",
        Deliver = "deliver",
    }
}
label! {
    /// How the reading of a preferences document ended.
    Preference = "outcome" {
        /// A document that can be read.
        Found = "found",
        /// 304: as known.
        Unchanged = "unchanged",
        /// 404: the defaults hold.
        Absent = "absent",
        /// 401, 403 and other refusals.
        Refused = "refused",
        /// 5xx, 429.
        Failed = "failed",
        Timeout = "timeout",
        Transport = "transport",
        /// No document of that kind, or too long.
        Unreadable = "unreadable",
        /// The XDMS failed too often and is left alone.
        NotAsked = "not-asked",
        /// The shelf failed.
        Disk = "disk",
    }
}
label! {
    /// Whether a profile was in memory.
    Lookup = "outcome" {
        Hit = "hit",
        Miss = "miss",
    }
}
label! {
    /// Who sent a SIP message.
    Direction = "direction" {
        /// To us.
        Received = "received",
        /// By us.
        Sent = "sent",
    }
}
label! {
    /// A SIP request method.
    Method = "method" {
        Ack = "ACK",
        Bye = "BYE",
        Cancel = "CANCEL",
        Invite = "INVITE",
        Message = "MESSAGE",
        Notify = "NOTIFY",
        Options = "OPTIONS",
        Register = "REGISTER",
        Subscribe = "SUBSCRIBE",
        Update = "UPDATE",
        Other = "other",
    }
}
label! {
    /// The method a response belongs to.
    Answered = "method" {
        Invite = "INVITE",
        Message = "MESSAGE",
        Notify = "NOTIFY",
        Options = "OPTIONS",
        Register = "REGISTER",
        Subscribe = "SUBSCRIBE",
        Other = "other",
    }
}
label! {
    /// A response's status; the rare ones by class.
    Status = "status" {
        S100 = "100",
        S200 = "200",
        S202 = "202",
        S400 = "400",
        S401 = "401",
        S403 = "403",
        S404 = "404",
        S405 = "405",
        S408 = "408",
        S413 = "413",
        S415 = "415",
        S480 = "480",
        S481 = "481",
        S483 = "483",
        S486 = "486",
        S487 = "487",
        S488 = "488",
        S500 = "500",
        S503 = "503",
        S513 = "513",
        Other1xx = "1xx",
        Other2xx = "2xx",
        Other3xx = "3xx",
        Other4xx = "4xx",
        Other5xx = "5xx",
        Other6xx = "6xx",
    }
}
label! {
    /// Why something was dropped without an answer.
    Drop = "cause" {
        /// No SIP, and nobody to tell.
        Garbage = "garbage",
        /// An empty or CRLF-only datagram (RFC 5626).
        KeepAlive = "keep-alive",
        /// A response that belongs to no request of ours.
        UnmatchedResponse = "unmatched-response",
        /// An ACK that belongs to nothing.
        Ack = "ack",
        /// An answer of ours that came when its transaction was gone.
        LateAnswer = "late-answer",
        /// A request whose sender gave up before we answered.
        Unanswered = "unanswered",
        /// The socket or connection took no more octets.
        SendFailed = "send-failed",
    }
}
label! {
    /// Why a new request was answered 503 by the SIP server itself.
    Refusal = "cause" {
        /// What is behind it has no room; the limit that was reached is counted with its own key.
        Overload = "overload",
        /// The server is stopping.
        Draining = "draining",
    }
}
label! {
    /// How the transfer of a large message ended.
    Transfer = "outcome" {
        Done = "done",
        /// Nobody connected and bound in time.
        NotBound = "not-bound",
        /// No progress for too long.
        Idle = "idle",
        /// The connection was lost before the end.
        Closed = "closed",
        /// By the peer's status.
        Refused = "refused",
        /// By a status of ours.
        Declined = "declined",
        /// A chunk without an answer.
        Unanswered = "unanswered",
        /// The sender gave the message up.
        Aborted = "aborted",
        /// No connection to the peer.
        Connect = "connect",
        /// TLS failed, or the certificate was not the announced one.
        Tls = "tls",
        /// What came was no MSRP, or not to the rules.
        Malformed = "malformed",
        /// The octets to be sent could not be read.
        Source = "source",
        /// We no longer wanted it, for example because the call ended.
        Cancelled = "cancelled",
        Stopping = "stopping",
    }
}
label! {
    /// What was refused on an MSRP connection without touching any transfer.
    Stray = "cause" {
        /// 481: nobody here has that session.
        UnknownSession = "unknown-session",
        /// 506: the session is bound to another connection.
        BoundElsewhere = "bound-elsewhere",
        /// The wrong certificate for the session.
        Fingerprint = "fingerprint",
        /// No MSRP, or longer than allowed: the connection was closed.
        Garbage = "garbage",
        /// A connection that nobody bound in time.
        Unbound = "unbound",
        /// A TLS handshake failed.
        Tls = "tls",
    }
}
label! {
    /// What went wrong in the journal.
    JournalFailure = "cause" {
        /// Another writer was there first.
        Conflict = "conflict",
        /// The store refused a write.
        Write = "write",
    }
}
label! {
    /// A request to the message store.
    Storing = "operation" {
        Append = "append",
        /// Looking up whether a repeated append is there already.
        Search = "search",
        Remove = "remove",
    }
}
label! {
    /// How a request to the message store ended.
    Stored = "outcome" {
        Done = "done",
        /// A search found nothing.
        Absent = "absent",
        Unreachable = "unreachable",
        Timeout = "timeout",
        Busy = "busy",
        Quota = "quota",
        Login = "login",
        Failed = "failed",
        Refused = "refused",
    }
}
label! {
    /// The side of a SIP transaction.
    Side = "side" {
        Server = "server",
        Client = "client",
    }
}
label! {
    /// A way of telling users out-of-band that messages wait.
    Notifier = "notifier" {
        Outbox = "outbox",
        Webhook = "webhook",
        Smpp = "smpp",
        /// The realm has none.
        None = "none",
    }
}
label! {
    /// How one try to notify ended.
    Notified = "outcome" {
        Taken = "taken",
        /// A limit of ours; it is counted with its own key.
        Busy = "busy",
        /// To be tried again.
        Later = "later",
        Refused = "refused",
    }
}
label! {
    /// A limit of the configuration, by its key; `internal.` ones are fixed in the program.
    Limit = "limit" {
        HeaderBytes = "sip.header-bytes-max",
        HeaderLines = "sip.header-lines-max",
        BodyBytes = "sip.body-bytes-max",
        ServerTransactions = "sip.server-transactions-max",
        ClientTransactions = "sip.client-transactions-max",
        Dialogs = "sip.dialogs-max",
        Connections = "sip.connections-max",
        ConnectionBacklog = "sip.connection-backlog-max",
        Subscriptions = "sip.subscriptions-max",
        MsrpMessageBytes = "msrp.message-bytes-max",
        MsrpSessions = "msrp.sessions-max",
        MsrpReceptions = "msrp.receptions-per-user-max",
        MsrpTransmissions = "msrp.transmissions-max",
        MsrpConnections = "msrp.connections-max",
        QueueMessages = "queue.messages-max",
        QueueBytes = "queue.bytes-max",
        QueueClients = "queue.clients-max",
        QueueQuestions = "queue.questions-max",
        AppendsWaiting = "journal.appends-waiting-max",
        /// Octets of all waiting appends.
        WriteBuffer = "journal.write-buffer-bytes",
        DiskFree = "journal.disk-free-min",
        PolicyCall = "policy.call-ms-max",
        PolicyMemory = "policy.memory-bytes-max",
        PolicyStack = "policy.stack-bytes-max",
        PolicyInstances = "policy.instances-max",
        PolicyComponent = "policy.component-bytes-max",
        PolicySettings = "policy.settings-bytes-max",
        PolicyCatalogue = "policy.catalogue-max",
        PolicyCatalogueBytes = "policy.catalogue-bytes-max",
        PolicyUploads = "policy.uploads-max",
        PolicyStart = "policy.start-secs-max",
        PolicyRealmBudget = "policy.realm-ms-per-second",
        PolicyShadowBacklog = "policy.shadow-backlog-max",
        CachedUsers = "preferences.cache-users-max",
        CachedBytes = "preferences.cache-bytes-max",
        DocumentBytes = "preferences.document-bytes-max",
        PreferenceRequests = "preferences.requests-max",
        PreferenceReads = "preferences.reads-max",
        AwakeUsers = "actors.awake-max",
        Mailbox = "actors.mailbox-max",
        WakePermits = "actors.wake-permits",
        Pushes = "actors.pushes-max",
        Errands = "errands.waiting-max",
        NotifierRate = "notifier.per-second-max",
        NoticeMessages = "notifier.messages-max",
        Outbox = "notifier.outbox-max",
        WebhookInFlight = "webhook.in-flight-max",
        SmppWindow = "smpp.window-max",
        StoreConnections = "store.connections-max",
        StoreWaiting = "store.requests-waiting-max",
        StoreMessages = "store.messages-max-per-user",
        StoreBytes = "store.bytes-max-per-user",
        AdminConnections = "admin.connections-max",
        /// Components that are fetched at once.
        AdminComponents = "internal.admin-components",
        /// The time that the body of a request to the HTTP API may take to come.
        AdminBodyTime = "internal.admin-body-time",
        /// What a request to the HTTP API may take.
        AdminRequestTime = "internal.admin-request-time",
        /// Host names waiting to be resolved.
        Lookups = "internal.lookups",
        /// NOTIFYs and third-party REGISTERs waiting for the subscriptions.
        SubscriptionOrders = "internal.subscription-orders",
        MsrpRanges = "internal.msrp-ranges",
        /// Policies with numbers of their own in the metrics.
        PolicyPlaces = "internal.policy-places",
        Inbox = "internal.inbox",
    }
}

impl Method {
    /// Of a method token; case matters (RFC 3261 section 7.1).
    #[must_use]
    pub fn of(token: &str) -> Self {
        match Self::ALL.iter().find(|method| method.value() == token) {
            Some(method) => *method,
            None => Self::Other,
        }
    }
}

impl From<Method> for Answered {
    fn from(method: Method) -> Self {
        match method {
            Method::Invite => Self::Invite,
            Method::Message => Self::Message,
            Method::Notify => Self::Notify,
            Method::Subscribe => Self::Subscribe,
            Method::Options => Self::Options,
            Method::Register => Self::Register,
            _ => Self::Other,
        }
    }
}

impl Status {
    /// Of a status code; what is no status counts as a 6xx.
    #[must_use]
    pub const fn of(code: u16) -> Self {
        match code {
            100 => Self::S100,
            200 => Self::S200,
            202 => Self::S202,
            400 => Self::S400,
            401 => Self::S401,
            403 => Self::S403,
            404 => Self::S404,
            405 => Self::S405,
            408 => Self::S408,
            413 => Self::S413,
            415 => Self::S415,
            480 => Self::S480,
            481 => Self::S481,
            483 => Self::S483,
            486 => Self::S486,
            487 => Self::S487,
            488 => Self::S488,
            500 => Self::S500,
            503 => Self::S503,
            513 => Self::S513,
            101..=199 => Self::Other1xx,
            201..=299 => Self::Other2xx,
            300..=399 => Self::Other3xx,
            402..=499 => Self::Other4xx,
            501..=599 => Self::Other5xx,
            _ => Self::Other6xx,
        }
    }
}
