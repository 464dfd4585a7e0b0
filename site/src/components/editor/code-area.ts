// What the two kinds of text area have in common: Monaco, and the browser's own where Monaco cannot be.

export interface AreaProps {
  /** Names the text to the area; another path is another text, with an undo history of its own. */
  path: string;
  text: string;
  /** Another number: `text` came from elsewhere than this area. */
  replaced: number;
  readOnly: boolean;
  /** What the area is called, for those who hear the page. */
  label: string;
  describedby: string;
  screenReader: boolean;
  onedit: (text: string) => void;
}
