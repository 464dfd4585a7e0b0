// What the tags of a lab's text are on its page.
import Predict from '../reading/Predict.astro';
import Source from '../reading/Source.astro';
import Term from '../reading/Term.astro';
import Edit from './Edit.astro';
import Finish from './Finish.astro';
import Hint from './Hint.astro';
import Instrument from './Instrument.astro';
import Live from './Live.astro';
import Notes from './Notes.astro';
import Question from './Question.astro';
import Run from './Run.astro';
import Step from './Step.astro';

export const labComponents = {
  Edit,
  Finish,
  Hint,
  Instrument,
  Live,
  Notes,
  Predict,
  Question,
  Run,
  Source,
  Step,
  Term,
};
