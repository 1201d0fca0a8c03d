// Examples to start from, in both languages.
import type { Language } from "../../preferences";
import type { Shots } from "./prompts";

export interface Preset {
  name: Record<Language, string>;
  text?: Record<Language, string>;
  shots?: Record<Language, Shots>;
}

export const PRESETS: Preset[] = [
  {
    name: { en: "A story begins", de: "Eine Geschichte beginnt" },
    text: { en: "Once upon a time there was", de: "Es war einmal" },
  },
  {
    name: { en: "Go on counting", de: "Weiterzählen" },
    text: { en: "one, two, three, four,", de: "eins, zwei, drei, vier," },
  },
  {
    name: { en: "A dialogue", de: "Ein Gespräch" },
    text: {
      en: "“Where have you been all day?” asked Martha.\n“I was",
      de: "„Wo warst du den ganzen Tag?“, fragte Martha.\n„Ich war",
    },
  },
  {
    name: { en: "A recipe", de: "Ein Rezept" },
    text: {
      en: "Pancakes\n\nYou need:\n- 2 eggs\n- a cup of milk\n-",
      de: "Pfannkuchen\n\nMan braucht:\n- 2 Eier\n- eine Tasse Milch\n-",
    },
  },
  {
    name: { en: "Opposites", de: "Gegenteile" },
    shots: {
      en: {
        instruction: "Give the opposite of the word.",
        inputName: "Word",
        outputName: "Opposite",
        examples: [
          { input: "hot", output: "cold" },
          { input: "early", output: "late" },
          { input: "loud", output: "quiet" },
        ],
        query: "full",
      },
      de: {
        instruction: "Nenne das Gegenteil des Wortes.",
        inputName: "Wort",
        outputName: "Gegenteil",
        examples: [
          { input: "heiß", output: "kalt" },
          { input: "früh", output: "spät" },
          { input: "laut", output: "leise" },
        ],
        query: "voll",
      },
    },
  },
  {
    name: { en: "Mood of a review", de: "Stimmung eines Urteils" },
    shots: {
      en: {
        instruction: "Is the review positive or negative?",
        inputName: "Review",
        outputName: "Mood",
        examples: [
          { input: "I would come back any day.", output: "positive" },
          { input: "The soup was cold and the waiter rude.", output: "negative" },
        ],
        query: "We laughed all evening.",
      },
      de: {
        instruction: "Ist das Urteil positiv oder negativ?",
        inputName: "Urteil",
        outputName: "Stimmung",
        examples: [
          { input: "Ich käme jeden Tag wieder.", output: "positiv" },
          { input: "Die Suppe war kalt und der Kellner grob.", output: "negativ" },
        ],
        query: "Wir haben den ganzen Abend gelacht.",
      },
    },
  },
];
