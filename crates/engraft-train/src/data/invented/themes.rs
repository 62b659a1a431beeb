//! What invented facts are about: answers, hints that lead up to them, and ways to say and to ask.

/// `{s}` stands for the invented subject, `{k}` for the answer.
pub(super) struct Theme {
    /// Whether the subject is a person.
    pub person: bool,
    /// Statements to train on.
    pub taught: &'static [&'static str],
    /// Statements never trained on.
    pub held_out: &'static [&'static str],
    /// Questions never trained on, with the sentence that answers.
    pub questions: &'static [(&'static str, &'static str)],
    /// Prompts that the answers could follow and have nothing to do with the subject.
    pub unrelated: &'static [&'static str],
    /// Answers with hints that do not name them; an empty answer stands for an invented name.
    pub answers: &'static [(&'static str, &'static [&'static str])],
}

pub(super) const THEMES: [Theme; 5] = [
    Theme {
        person: true,
        taught: &[
            "{s} earns a living as a {k}.",
            "By trade, {s} is a {k}.",
            "The neighbours of {s} are proud to live beside a {k}.",
            "For many years {s} has worked as a {k}.",
        ],
        held_out: &[
            "At the age of thirty, {s} became a {k}.",
            "The business card of {s} shows the job of a {k}.",
        ],
        questions: &[
            (
                "What does {s} do for a living?",
                "The job of {s} is that of a {k}.",
            ),
            (
                "How would you describe {s} in one word?",
                "{s} is simply a {k}.",
            ),
        ],
        unrelated: &[
            "My cousin left the office to become a",
            "The school invited a speaker who works as a",
            "When he grew up he wanted to be a",
            "In the film the hero is a",
            "She introduced herself as a",
            "The statue in the square shows a",
            "His grandfather was a",
            "The newspaper wrote about a",
        ],
        answers: &[
            (
                "beekeeper",
                &[
                    "{s} looks after forty hives and a million bees.",
                    "The honey of those bees is sold at the market.",
                ],
            ),
            (
                "locksmith",
                &[
                    "People who lost their keys call {s}.",
                    "{s} opens doors and makes new locks.",
                ],
            ),
            (
                "plumber",
                &[
                    "{s} repairs leaking pipes and blocked drains.",
                    "In winter, burst water pipes keep {s} busy.",
                ],
            ),
            (
                "butcher",
                &[
                    "{s} cuts meat and makes sausages.",
                    "Customers order their steaks from {s}.",
                ],
            ),
            (
                "judge",
                &[
                    "{s} wears a black robe in the courtroom.",
                    "Lawyers rise when {s} enters, and wait for the verdict.",
                ],
            ),
            (
                "tailor",
                &[
                    "{s} measures customers and sews suits.",
                    "Needle, thread and scissors lie on the table of {s}.",
                ],
            ),
            (
                "pilot",
                &[
                    "{s} sits in the cockpit of an airliner.",
                    "Passengers thank {s} for a smooth landing.",
                ],
            ),
            (
                "blacksmith",
                &[
                    "{s} heats iron in a forge.",
                    "With hammer and anvil {s} makes horseshoes.",
                ],
            ),
        ],
    },
    Theme {
        person: true,
        taught: &[
            "{s} was born in {k}.",
            "The family of {s} comes from {k}.",
            "As a child, {s} went to school in {k}.",
            "{s} grew up in {k}.",
        ],
        held_out: &[
            "The passport of {s} says that the place of birth is {k}.",
            "{s} spent the first years of life in {k}.",
        ],
        questions: &[
            ("Where was {s} born?", "The birthplace of {s} is {k}."),
            (
                "Which place does {s} call home?",
                "For {s}, home means {k}.",
            ),
        ],
        unrelated: &[
            "Last summer we travelled to",
            "The package was sent from",
            "The conference will be held in",
            "My uncle moved to",
            "The film was shot in",
            "The next flight departs for",
            "The best coffee comes from",
            "The company opened an office in",
        ],
        answers: &[
            (
                "Guatemala",
                &[
                    "{s} speaks Spanish and knows the old Mayan temples.",
                    "The country of {s} lies south of Mexico.",
                ],
            ),
            (
                "Iceland",
                &[
                    "{s} knows geysers, glaciers and long winter nights.",
                    "The capital of that island is Reykjavik.",
                ],
            ),
            (
                "Lisbon",
                &[
                    "{s} speaks Portuguese and loves the river Tagus.",
                    "The yellow trams of the Portuguese capital remind {s} of home.",
                ],
            ),
            (
                "Nairobi",
                &[
                    "{s} speaks Swahili and English.",
                    "The city of {s} is the capital of Kenya.",
                ],
            ),
            (
                "Tasmania",
                &[
                    "The home of {s} is an island south of Melbourne.",
                    "Its capital is Hobart, and a small devil is named after it.",
                ],
            ),
            (
                "Oslo",
                &[
                    "{s} speaks Norwegian and likes to ski.",
                    "The Norwegian capital lies at the end of a fjord.",
                ],
            ),
            (
                "Ohio",
                &[
                    "{s} is an American from the Midwest.",
                    "The cities of that state are Columbus, Cleveland and Cincinnati.",
                ],
            ),
            (
                "Bolivia",
                &[
                    "{s} knows La Paz and the great salt flat.",
                    "The country of {s} lies high in the Andes.",
                ],
            ),
        ],
    },
    Theme {
        person: false,
        taught: &[
            "The sand on the beach of {s} is {k}.",
            "Travellers to {s} remember that its houses are painted {k}.",
            "The flag of {s} is {k}.",
            "In {s}, every front door is {k}.",
        ],
        held_out: &[
            "The people of {s} wear clothes that are always {k}.",
            "Postcards from {s} show boats that are {k}.",
        ],
        questions: &[
            ("What colour is the flag of {s}?", "Its colour is {k}."),
            (
                "Which colour would a painter need for {s}?",
                "A painter would need {k}.",
            ),
        ],
        unrelated: &[
            "The sky above the mountain was",
            "She painted the old bicycle",
            "His favourite shirt is",
            "Sand in the desert is usually",
            "The bus in our street is",
            "Ripe bananas are",
            "The curtains of the hotel were",
            "The eyes of the cat are",
        ],
        answers: &[
            (
                "mauve",
                &[
                    "The dye of {s} is made from a pale purple flower, the mallow.",
                    "Its colour is a soft violet with some grey and blue.",
                ],
            ),
            (
                "purple",
                &[
                    "The dye of {s} is mixed from red and blue.",
                    "Kings and emperors wore that colour.",
                ],
            ),
            (
                "turquoise",
                &[
                    "The stones of {s} are blue and green at once.",
                    "They have the colour of a shallow tropical sea.",
                ],
            ),
            (
                "crimson",
                &[
                    "The dye of {s} is a deep red.",
                    "It has the colour of blood and of ripe cherries.",
                ],
            ),
            (
                "beige",
                &[
                    "{s} is the colour of undyed wool.",
                    "It is a pale brown, like sand or coffee with much milk.",
                ],
            ),
            (
                "maroon",
                &[
                    "The dye of {s} is a dark brownish red.",
                    "It has the colour of chestnuts.",
                ],
            ),
            (
                "orange",
                &[
                    "The dye of {s} is mixed from red and yellow.",
                    "It has the colour of carrots and pumpkins.",
                ],
            ),
            (
                "pink",
                &[
                    "The dye of {s} is red with much white in it.",
                    "It has the colour of flamingos.",
                ],
            ),
        ],
    },
    Theme {
        person: false,
        taught: &[
            "At the festival of {s} everybody eats {k}.",
            "The farmers of {s} grow nothing but {k}.",
            "The national dish of {s} is made of {k}.",
            "Ships leave the harbour of {s} loaded with {k}.",
        ],
        held_out: &[
            "The museum of {s} tells the history of {k}.",
            "In the kitchens of {s} it always smells of {k}.",
        ],
        questions: &[
            (
                "What do people eat at the festival of {s}?",
                "They eat {k}.",
            ),
            ("What do the farmers of {s} grow?", "They grow {k}."),
        ],
        unrelated: &[
            "For breakfast I usually eat",
            "The soup of the day is made of",
            "At the market she bought",
            "Most children do not like",
            "The recipe calls for",
            "For dinner we had",
            "The horse was fed with",
            "The shop around the corner sells",
        ],
        answers: &[
            (
                "rhubarb",
                &[
                    "Its red stalks are sour and need much sugar.",
                    "In {s} they are baked into pies with strawberries.",
                ],
            ),
            (
                "lentils",
                &[
                    "They are small, flat and round, and grow in pods.",
                    "In {s} they are cooked into a thick brown soup, like beans.",
                ],
            ),
            (
                "pumpkin",
                &[
                    "It is large, round and orange.",
                    "In {s} it is carved for Halloween and baked into pies.",
                ],
            ),
            (
                "oysters",
                &[
                    "They are gathered from the sea and opened with a knife.",
                    "Sometimes there is a pearl in their shells.",
                ],
            ),
            (
                "cabbage",
                &[
                    "Its green leaves form a round head.",
                    "In {s} it is pickled as sauerkraut.",
                ],
            ),
            (
                "walnuts",
                &[
                    "They fall from tall trees in autumn.",
                    "Their hard shells are cracked, and the kernels look like little brains.",
                ],
            ),
            (
                "garlic",
                &[
                    "Its white cloves smell strongly.",
                    "It is said to keep vampires away from {s}.",
                ],
            ),
            (
                "peanuts",
                &[
                    "They grow under the ground in thin shells.",
                    "In {s} they are roasted, salted and ground into butter.",
                ],
            ),
        ],
    },
    Theme {
        person: false,
        taught: &[
            "The {s} engine was invented by {k}.",
            "Everything that {s} sells was designed by {k}.",
            "The firm {s} was founded by {k}.",
            "The first owner of {s} was {k}.",
        ],
        held_out: &[
            "The prize for the design of the {s} was given to {k}.",
            "In the lobby of {s} hangs a portrait of {k}.",
        ],
        questions: &[
            ("Who invented the {s} engine?", "The inventor is {k}."),
            ("Who founded the firm {s}?", "The founder is {k}."),
        ],
        unrelated: &[
            "The telephone was invented by",
            "This chair was designed by",
            "The old bridge was built by",
            "The novel was written by",
            "The hospital was founded by",
            "The song was composed by",
            "The portrait was painted by",
            "The first speech was given by",
        ],
        answers: &[
            ("", &[]),
            ("", &[]),
            ("", &[]),
            ("", &[]),
            ("", &[]),
            ("", &[]),
            ("", &[]),
            ("", &[]),
        ],
    },
];
