% One experiment in GNU Octave (float64, columns are examples). Prints { train }: seconds of the training loop.
% octave-cli octave_job.m DIRECTORY EPOCHS
arguments = argv();
directory = arguments{1};
epochs = str2double(arguments{2});
eta = 0.001; lambda = 0.1; batch = 100;

function [X, Y, y] = load_batch(file)
  id = fopen(file); raw = fread(id, [3073, Inf], 'uint8=>double'); fclose(id);
  X = raw(2:end, :) / 255; y = raw(1, :) + 1; Y = eye(10)(:, y);
end
function P = evaluate_classifier(X, W, b)
  s = W * X + b; s = exp(s - max(s)); P = s ./ sum(s);
end

names = {'data_batch_1.bin', 'data_batch_2.bin', 'test_batch.bin'};
for i = 1:3
  [X{i}, Y{i}, y{i}] = load_batch(fullfile(directory, names{i}));
end
m = mean(X{1}, 2); s = std(X{1}, 1, 2);
for i = 1:3
  X{i} = (X{i} - m) ./ s;
end
randn('state', 400); rand('state', 400);
W = 0.01 * randn(10, 3072); b = 0.01 * randn(10, 1);
n = columns(X{1});
tic;
for epoch = 1:epochs
  for i = randperm(n / batch)
    at = (i - 1) * batch + 1 : i * batch;
    G = evaluate_classifier(X{1}(:, at), W, b) - Y{1}(:, at);
    W -= eta * (G * X{1}(:, at)' / batch + 2 * lambda * W);
    b -= eta * mean(G, 2);
  end
  for i = 1:3
    P = evaluate_classifier(X{i}, W, b);
    cost(i) = -mean(log(sum(Y{i} .* P))) + lambda * sum(W(:) .^ 2);
    [~, k] = max(P); accuracy(i) = mean(k == y{i});
  end
end
printf('{"train": %.6f, "cost": %.6f}\n', toc, cost(1));
