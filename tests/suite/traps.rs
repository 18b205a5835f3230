//! The known traps of reproducing ELECTRA, each with the tests that fail when the trap is sprung.
//!
//! The numbers are those of the list that the project began with; the titles are ours. A test that is
//! renamed, deleted or ignored fails this one.

use std::fs;

use crate::source_tree::root;

/// `file::test` below src/, or below tests/.
struct Tests(&'static [&'static str]);

const TRAPS: [(u32, &str, Tests); 42] = [
    (
        1,
        "the embeddings' LayerNorm or type table is not shared",
        Tests(&[
            "model/joint.rs::shared_parameters_are_made_once",
            "objective/rtd.rs::the_discriminator_does_not_train_the_generator",
            "tools/trace/parity_tests.rs::shared_embeddings",
            "tools/trace/parity_tests.rs::untied_embeddings",
        ]),
    ),
    (
        2,
        "the projection of the embeddings stands before their LayerNorm, or the generator lacks it",
        Tests(&[
            "model/joint.rs::parameter_counts_of_electra_small",
            "flops/parameters.rs::parameters_of_the_papers_shapes",
            "checkpoint/parity.rs::generator_logits_equal_those_of_transformers",
        ]),
    ),
    (
        3,
        "the generator's heads are not max(1, width / 64)",
        Tests(&["experiment/format/model.rs::generator_shapes_of_the_paper"]),
    ),
    (4, "GELU by tanh", Tests(&["checkpoint/parity.rs::discriminator_logits_equal_those_of_transformers"])),
    (
        5,
        "LayerNorm with PyTorch's epsilon",
        Tests(&[
            "ops/layer_norm/tests.rs::epsilon_by_hand",
            "experiment/format/model.rs::every_shape_has_electras_epsilon",
        ]),
    ),
    (
        6,
        "transformers' extra dense layer in the task head",
        Tests(&["tasks/classifier.rs::parameters_of_the_heads"]),
    ),
    (
        7,
        "the masked-language-model head lacks its LayerNorm, its bias or its tie",
        Tests(&[
            "model/joint.rs::parameter_counts_of_electra_small",
            "checkpoint/parity.rs::generator_logits_equal_those_of_transformers",
            "checkpoint/read.rs::an_untied_output_matrix_is_an_error",
        ]),
    ),
    (
        8,
        "the labels' polarity is swapped",
        Tests(&[
            "objective/rtd.rs::corruption_by_hand",
            "objective/rtd.rs::training_raises_the_logits_of_replaced_tokens",
        ]),
    ),
    (
        9,
        "the discriminator's gradient leaks into the generator",
        Tests(&[
            "objective/rtd.rs::the_discriminator_does_not_train_the_generator",
            "objective/tests.rs::the_main_loss_reaches_the_generator_in_no_objective",
        ]),
    ),
    (
        10,
        "a sample that equals the original counts as replaced",
        Tests(&["objective/rtd.rs::corruption_by_hand"]),
    ),
    (
        11,
        "the discriminator reads [MASK]",
        Tests(&[
            "objective/rtd.rs::the_discriminator_reads_samples_where_the_generator_read_masks",
            "objective/rtd.rs::corruption_by_the_released_code_by_hand",
        ]),
    ),
    (
        12,
        "special tokens or padding are masked",
        Tests(&["objective/masking/tests.rs::special_tokens_are_never_masked"]),
    ),
    (
        13,
        "the discriminator's loss is averaged over other tokens than all real ones",
        Tests(&["objective/rtd.rs::the_loss_is_a_mean_over_all_tokens"]),
    ),
    (
        14,
        "the most probable token instead of a sample; positions changed that were not chosen",
        Tests(&[
            "ops/sampling.rs::samples_follow_the_softmax_at_both_temperatures",
            "objective/rtd.rs::corruption_by_hand",
        ]),
    ),
    (
        15,
        "noise of limited range never draws the tail of the vocabulary",
        Tests(&[
            "ops/sampling.rs::both_ends_of_the_vocabulary_are_drawn",
            "ops/sampling.rs::samples_follow_the_softmax_at_both_temperatures",
        ]),
    ),
    (
        16,
        "positions drawn twice are counted or averaged by accident",
        Tests(&[
            "objective/masking/tests.rs::draws_of_the_released_code_repeat_with_the_right_probability",
            "ops/corruption/mod.rs::samples_of_one_position_are_averaged",
            "objective/mlm.rs::the_loss_is_a_mean_over_slots",
        ]),
    ),
    (
        17,
        "the temperature acts after the noise",
        Tests(&["ops/sampling.rs::samples_follow_the_softmax_at_both_temperatures"]),
    ),
    (
        18,
        "the number of masked tokens is rounded otherwise",
        Tests(&["objective/masking/tests.rs::the_number_of_slots_by_hand"]),
    ),
    (
        19,
        "masks are drawn once for all epochs",
        Tests(&["objective/masking/tests.rs::every_token_is_masked_equally_often_and_each_step_differs"]),
    ),
    (
        20,
        "ELECTRA's generator reads random tokens",
        Tests(&[
            "objective/masking/tests.rs::a_position_keeps_its_token_only_if_every_draw_keeps_it",
            "objective/rtd.rs::the_discriminator_reads_samples_where_the_generator_read_masks",
        ]),
    ),
    (
        21,
        "Adam with bias correction",
        Tests(&[
            "ops/adam/tests.rs::the_first_step_has_no_bias_correction",
            "train/optimizer.rs::electra_does_not_correct_the_bias_of_the_moments",
        ]),
    ),
    (
        22,
        "Adam's epsilon",
        Tests(&["experiment/format/train.rs::the_default_optimizer_is_the_released_codes"]),
    ),
    (
        23,
        "warm-up before decay instead of times decay",
        Tests(&["train/schedule.rs::rates_of_electra_small"]),
    ),
    (24, "weight decay on LayerNorm or biases", Tests(&["model/joint.rs::only_weights_and_tables_decay"])),
    (
        25,
        "each tensor is clipped by itself",
        Tests(&["train/optimizer.rs::clips_by_the_global_norm_and_decays_weights_only"]),
    ),
    (
        26,
        "layer-wise learning rates are off by one, or `layer.1` is taken for `layer.10`",
        Tests(&["tasks/steps.rs::rates_of_every_parameter_by_both_rules"]),
    ),
    (
        27,
        "accumulated gradients are averaged by batch, not by token",
        Tests(&["objective/tests/micro_batch.rs::micro_batches_add_up_to_the_full_batch"]),
    ),
    (
        28,
        "softmax or sampling overflow in half precision",
        Tests(&[
            "ops/softmax_stats/tests.rs::large_logits_do_not_overflow",
            "ops/softmax_stats/tests.rs::large_logits_do_not_overflow_in_the_kernel",
        ]),
    ),
    (
        29,
        "packing: lengths off by the special tokens, segments, trimming, when the next length is drawn",
        Tests(&[
            "text/corpus/packing/golden.rs::every_document_packs_as_the_other_implementation_packs_it",
            "text/corpus/packing.rs::random_length_is_drawn_after_the_example",
        ]),
    ),
    (
        30,
        "an example crosses the end of a document",
        Tests(&[
            "text/corpus/packing.rs::a_documents_examples_depend_on_its_index_only",
            "text/corpus/documents.rs::text_and_parquet_give_documents_of_lines",
        ]),
    ),
    (
        31,
        "the order of MNLI's labels",
        Tests(&[
            "tasks/glue/leaderboard.rs::labels_are_spelled_as_the_leaderboard_reads_them",
            "tasks/table.rs::labels_are_in_the_order_of_the_hub",
        ]),
    ),
    (32, "the wrong split of MNLI", Tests(&["tasks/glue/tests.rs::tasks_with_other_columns_and_splits"])),
    (
        33,
        "STS-B trained on 0 to 5, or scored by Pearson",
        Tests(&[
            "tasks/finetune.rs::predictions_are_classes_or_scores",
            "tasks/metrics/correlation.rs::spearman_with_ties",
            "tasks/table.rs::the_papers_metric_comes_first",
        ]),
    ),
    (
        34,
        "GLUE's mean over other tasks or metrics than the paper's",
        Tests(&[
            "papers/mod.rs::the_printed_means_recompute",
            "report/statistics.rs::a_task_takes_the_median_and_the_mean_is_taken_within_a_trial",
        ]),
    ),
    (
        35,
        "SQuAD: the end's gold start, windows without the answer, the best window of a token, the threshold",
        Tests(&[
            "tasks/squad/head/tests.rs::training_uses_the_gold_start",
            "tasks/squad/features.rs::the_target_of_windows_without_the_answer_is_cls",
            "tasks/squad/decode/tests.rs::an_answer_starts_in_the_window_that_shows_most_around_it",
            "tasks/squad/decode/tests.rs::scores_of_given_predictions_by_hand",
            "tasks/metrics/golden.rs::data_sets_as_the_official_script",
            "tasks/metrics/squad.rs::the_best_threshold_by_hand",
            "tasks/metrics/squad.rs::the_threshold_stays_at_zero_if_no_answer_improves_the_score",
        ]),
    ),
    (
        36,
        "the wrong median, or the best run under its name",
        Tests(&[
            "records/median.rs::medians_of_odd_and_even_numbers",
            "report/runs.rs::figures_by_hand",
            "records/median.rs::the_lower_median_is_a_run_and_never_the_best",
        ]),
    ),
    (
        37,
        "tokenised text is reused for another tokenizer or length",
        Tests(&["text/corpus/tests.rs::other_tokenizers_and_lengths_have_other_caches"]),
    ),
    (
        38,
        "a resumed run begins its rate, random numbers or data anew",
        Tests(&[
            "train/pretrain/tests.rs::a_stop_at_any_step_changes_nothing",
            "suite/resume.rs::stops_threads_and_jobs_change_no_number",
        ]),
    ),
    (
        39,
        "an operation of candle drops its gradient",
        Tests(&[
            "objective/rtd.rs::every_parameter_gets_a_gradient",
            "objective/mlm.rs::every_parameter_gets_a_gradient",
            "tasks/classifier.rs::every_parameter_gets_a_gradient",
            "train/optimizer.rs::a_dropped_gradient_is_an_error",
        ]),
    ),
    (
        40,
        "random numbers that cannot be seeded",
        Tests(&[
            "tools/trace/tests.rs::two_traces_are_equal_to_the_bit",
            "tools/trace/tests.rs::two_seeds_differ_everywhere_they_should",
            "tools/trace/tests.rs::the_number_of_threads_changes_no_bit",
        ]),
    ),
    (
        41,
        "candle has neither ELECTRA nor a clip by the norm",
        Tests(&[
            "checkpoint/parity.rs::discriminator_logits_equal_those_of_transformers",
            "train/optimizer.rs::clips_by_the_global_norm_and_decays_weights_only",
        ]),
    ),
    (
        42,
        "sizes by mistake: heads of a width that is no multiple of 64, a padded vocabulary",
        Tests(&[
            "flops/parameters.rs::a_padded_vocabulary_counts_its_padding",
            "experiment/format/model.rs::generator_shapes_of_the_paper",
        ]),
    ),
];

#[test]
fn every_trap_has_its_tests() {
    let root = root();
    for (index, (number, title, Tests(tests))) in TRAPS.iter().enumerate() {
        assert_eq!(*number as usize, index + 1);
        assert!(!tests.is_empty(), "trap {number} ({title}) has no test");
        for test in *tests {
            let (file, name) = test.split_once("::").unwrap();
            let folder = if file.starts_with("suite/") { "tests" } else { "src" };
            let text = fs::read_to_string(root.join(folder).join(file))
                .unwrap_or_else(|_| panic!("trap {number} ({title}): there is no {folder}/{file}"));
            let (before, _) = text
                .split_once(&format!("fn {name}("))
                .unwrap_or_else(|| panic!("trap {number} ({title}): {file} has no test {name}"));
            let above = &before[before.rfind('}').map_or(0, |end| end)..];
            assert!(above.contains("#[test]"), "trap {number} ({title}): {name} in {file} is no test");
            assert!(!above.contains("#[ignore"), "trap {number} ({title}): {name} in {file} is ignored");
        }
    }
}
