"""What whoever runs a machine of the bus meets: problems of its settings, files and processes, of Kafka and of databases."""

from schemas.problems.problem import Problem

# --- settings and what they name
SETTINGS = Problem(
    "settings-invalid", "The settings are not valid", "Correct the named setting; `stadtbus config show` prints what is in force."
)
CATALOGUE = Problem(
    "catalogue-invalid",
    "The catalogue is not valid",
    "`stadtbus catalogue check` shows everything that is wrong, with file, line and hint.",
)
PORTALS = Problem(
    "portals-invalid",
    "A page of a portal cannot be used",
    "Correct page and line in the detail; docs/portals.md shows each key, `stadtbus portals list` what is in force.",
)
SCHEMA_SET = Problem(
    "schema-set-broken",
    "A schema set cannot be used",
    "Put the file in the detail into a folder of its row in `schemas.yaml`, or mend it; `stadtbus schemas check` tries all rows.",
)
PLUG_IN_BROKEN = Problem(
    "plug-in-broken", "An installed package does not fit", "Mend or uninstall the package in the detail: `pip list` names its version."
)
# --- Kafka
KAFKA_UNREACHABLE = Problem(
    "kafka-unreachable",
    "Kafka does not answer",
    "Start one with `stadtbus kafka start`, or set STADTBUS_KAFKA__BOOTSTRAP to a running cluster.",
    503,
    exit_code=3,
)
KAFKA_FAILED = Problem(
    "kafka-failed",
    "Kafka did not do what was asked",
    "Nothing can be told. `stadtbus kafka status` or the tools of the cluster say whether brokers are down; then give the command again.",
    exit_code=3,
)
KAFKA_CERTIFICATE = Problem(
    "kafka-certificate",
    "A broker cannot show who it is",
    "Nothing was sent to it. Renew its certificate or mend its names there, or put whoever signed it into kafka.ca_file; files that change are taken "
    "without a restart, and work goes on by itself.",
    503,
    exit_code=3,
)
KAFKA_LOGIN = Problem(
    "kafka-login",
    "Kafka does not let us in",
    "Compare kafka.user and its password, kafka.certificate_file or kafka.oauth with what the cluster knows; it goes on by itself when the cluster takes "
    "the login, and after a restart where a password has changed here.",
    503,
    exit_code=3,
)
KAFKA_PROTOCOL = Problem(
    "kafka-protocol",
    "The broker speaks another protocol than we do",
    "Set kafka.security_protocol to that of the listener whose port stands in kafka.bootstrap: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
    503,
    exit_code=3,
)
KAFKA_NOT_ALLOWED = Problem(
    "kafka-not-allowed",
    "Kafka does not let this user do it",
    "Give the user the right in the detail (an ACL), or use the login of the role that has it. What waits goes on by itself then.",
    503,
    exit_code=3,
)
TOPICS_MISSING = Problem("topics-missing", "Topics are missing", "Create them with `stadtbus topics apply`.", exit_code=2)
TOPIC_REFUSED = Problem(
    "topic-refused",
    "Kafka does not create a topic",
    "Set kafka.replication to at most the number of brokers (STADTBUS_KAFKA__REPLICATION=1 for a single one).",
    exit_code=3,
)
RECORD_REFUSED = Problem(
    "record-refused",
    "Kafka does not take a record",
    "Compare the topic with `stadtbus topics plan`: its limits (max.message.bytes), its rights, the clocks. What is refused waits, and goes on by "
    "itself when that is mended; a command is given again.",
    exit_code=3,
)
LOG_SHORTENED = Problem(
    "log-shortened",
    "A topic holds less than was read from it before",
    "Its disk was lost, or Kafka was restored from an older copy. Find out which records are gone. Then `stadtbus offsets reset OFFICE` begins "
    "at the first record that is there: what was delivered is known and not delivered again.",
    exit_code=3,
)
TOPIC_REPLACED = Problem(
    "topic-replaced",
    "Under a topic's name there is another topic than before",
    "It was deleted and made anew, or kafka.bootstrap leads to another cluster. If it should be so, `stadtbus offsets reset OFFICE` begins at its first "
    "record: what was delivered is known and not delivered again. What the old topic held and nobody delivered is gone from Kafka.",
    exit_code=3,
)
OFFSETS_LOST = Problem(
    "offsets-lost",
    "Kafka has forgotten how far an office had come",
    "Offsets were deleted or have expired. Reading anew is safe, because the ledger knows what was delivered: "
    "`stadtbus offsets reset OFFICE` sets them to the ledger's, then start the adapter.",
    exit_code=3,
)
# --- the local Kafka
JAVA_MISSING = Problem(
    "java-missing",
    "Java 17 or newer was not found",
    "Install it (Debian: apt-get install openjdk-17-jre-headless), or run `docker compose up kafka`, "
    "or set STADTBUS_KAFKA__BOOTSTRAP to a running cluster.",
)
MAVEN_MISSING = Problem(
    "maven-missing",
    "Maven is needed once to fetch Kafka, and was not found",
    "Install it (Debian: apt-get install maven), or run `docker compose up kafka`, or set STADTBUS_KAFKA__BOOTSTRAP to a running cluster.",
)
MAVEN_FAILED = Problem(
    "maven-failed", "Maven could not fetch Kafka", "Read the log named in the detail; a proxy is set in ~/.m2/settings.xml."
)
JARS_UNKNOWN = Problem(
    "jars-unknown",
    "Kafka's jars are not those that this version of Stadtbus knows",
    "Remove the folder in the detail, and give the command again: Maven fetches them anew. If it stays, look at where Maven fetches from "
    "(~/.m2/settings.xml) before anything of it runs.",
)
BROKER_FAILED = Problem(
    "broker-failed",
    "The local Kafka did not start",
    "Read the log named in the detail; `stadtbus kafka stop` clears the rest.",
    exit_code=3,
)
# --- databases
STORE_UNREACHABLE = Problem(
    "store-unreachable",
    "The database does not answer",
    "Check stores.url and that the database runs; of files in stores.folder, this user's rights to write there, and the room on the disk.",
    503,
    exit_code=3,
)
STORE_FAILED = Problem(
    "store-failed",
    "The database did not do what was asked",
    "Look at room on its disk, at its rights and at its log; then give the command again.",
    503,
    exit_code=3,
)
STORE_NEWER = Problem(
    "store-newer",
    "A newer version of Stadtbus has written this database",
    "Start that version or a later one, or restore the backup from before the upgrade; nothing was changed.",
)
# --- files, ports and processes
PORT_TAKEN = Problem(
    "port-taken",
    "A port is in use by another program",
    "Stop that program, or take other ports: `demo --port-offset 100`, `kafka start --port`, `run ... --port` (of the gateway also --operator-port); in the "
    "settings http.ports or http.port_offset (`stadtbus processes` shows who has which), and for the twins twins.control_port and twins.first_port.",
)
CERTIFICATE = Problem(
    "certificate-unusable",
    "The certificate for portals cannot be used",
    "Put a certificate that is valid now, and the key that belongs to it, into the files of http.tls.certificate and http.tls.key (PEM).",
)
CLEAR_TEXT = Problem(
    "clear-text",
    "Portals would send tokens and applications in clear",
    "Set http.tls.certificate and http.tls.key. Behind a proxy that ends TLS, and where nobody else reaches the port, write "
    "`http: {allow_clear_text: true}` (STADTBUS_HTTP__ALLOW_CLEAR_TEXT=true).",
)
DESCRIPTORS = Problem(
    "descriptors-few",
    "This process may have too few files and connections open",
    "Raise the limit: `ulimit -n 4096` in the shell, `LimitNOFILE=4096` in a unit of systemd, `ulimits: {nofile: 4096}` in compose.yaml.",
)
FOLDER_IN_USE = Problem(
    "folder-in-use",
    "Another Stadtbus works in this folder",
    "Stop it first, or use another folder with --keep DIR and other ports with --port-offset.",
)
EARLIER_RUN = Problem(
    "earlier-run",
    "Data of an earlier run is in the way",
    "Name a new folder with --keep, or remove the old one; use a Kafka without submissions.",
)
PATH_UNUSABLE = Problem(
    "path-unusable",
    "A file or folder cannot be used",
    "Name another place (--data, --keep, stores.folder), or give this user rights to the one named here.",
)
SYSTEM_REFUSES = Problem(
    "system-refuses",
    "The operating system refuses something",
    "Look at room on the disk, limits of this user and the network, as the detail says; then give the command again.",
    exit_code=3,
)
PROCESS_FAILED = Problem("process-failed", "A process of Stadtbus does not come up", "Read its log, named in the detail.", exit_code=3)
